/*
 * Tegra241 CMDQ-V of an emulated SMMUv3: queues, errors, bad input
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "tegra241-cmdqv.h"

/* VCMDQ @q as LVCMDQ @l of VINTF @v, with 16 entries, empty */
static void set_up_queue(QTestState *qts, int q, int v, int l,
                         uint32_t vintf_config, uint64_t base)
{
    wr(qts, CONFIG, EN);
    g_assert_cmphex(rd(qts, STATUS), ==, EN);
    wr(qts, VINTF_CONFIG(v), vintf_config | EN);
    g_assert_cmphex(rd(qts, VINTF_STATUS(v)), ==, EN);
    wr(qts, CMDQ_ALLOC(q), ALLOC(v, l));
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(q)), ==, ALLOC(v, l));
    qtest_writeq(qts, CMDQV + LVCMDQ_PAGE1(v, l) + Q_BASE, base);
    wr(qts, LVCMDQ_PAGE0(v, l) + Q_CONFIG, EN);
}

static void put_cmd(QTestState *qts, unsigned index, uint64_t word0)
{
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE, word0);
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE + 8, 0);
}

static void catch_irq(QTestState *qts)
{
    qtest_writel(qts, GICD_ICFGR + INTID / 16 * 4, 2 << (INTID % 16 * 2));
    qtest_writel(qts, GICD_ISENABLER + INTID / 32 * 4, 1 << INTID % 32);
}

/* Was there an interrupt since the last look? */
static bool irq_seen(QTestState *qts)
{
    bool pending = qtest_readl(qts, GICD_ISPENDR + INTID / 32 * 4) &
                   (1 << INTID % 32);

    qtest_writel(qts, GICD_ICPENDR + INTID / 32 * 4, 1 << INTID % 32);
    return pending;
}

static void check_error(QTestState *qts, int q, int v, int l, uint32_t cerror)
{
    uint32_t cons = rd(qts, LVCMDQ_PAGE0(v, l) + Q_CONS);

    g_assert_cmphex(extract32(cons, 24, 7), ==, cerror);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(v, l) + Q_GERROR), !=,
                    rd(qts, LVCMDQ_PAGE0(v, l) + Q_GERRORN));
    g_assert_cmphex(qtest_readq(qts, CMDQV + LVCMDQ_ERR_MAP(v, 0)), ==,
                    1ULL << l);
    g_assert_cmphex(rd(qts, VINTF_ERR_MAP(0)), ==, 1u << v);
    g_assert_cmphex(rd(qts, CMDQ_ERR_MAP(0)), ==, 1u << q);
}

static void check_no_error(QTestState *qts)
{
    g_assert_cmphex(rd(qts, VINTF_ERR_MAP(0)), ==, 0);
    for (int n = 0; n < 4; n++) {
        g_assert_cmphex(rd(qts, CMDQ_ERR_MAP(n)), ==, 0);
    }
}

/* The hypervisor's own VINTF takes every command; pages are aliases */
static void test_consume_hyp(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 1, 0, 0, HYP_OWN, VIRT_RAM | 4);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_STATUS), ==, EN);
    g_assert_cmphex(rd(qts, VCMDQ_PAGE0(1) + Q_STATUS), ==, EN);
    put_cmd(qts, 0, CMD_CFGI_ALL);
    put_cmd(qts, 1, CMD_TLBI_NSNH_ALL);
    put_cmd(qts, 2, CMD_TLBI_NH_ALL);
    put_cmd(qts, 3, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 3);
    g_assert_cmphex(rd(qts, VCMDQ_PAGE0(1) + Q_CONS), ==, 3);
    wr(qts, VCMDQ_PAGE0(1) + Q_PROD, 4);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS), ==, 4);
    check_no_error(qts);

    /* around its end: 16 entries, then the other wrap bit */
    for (int i = 0; i < 16; i++) {
        put_cmd(qts, i, CMD_SYNC);
    }
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 4 | 16);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS), ==, 4 | 16);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 5);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS) & 0xfffff, ==,
                    4 | 16);
    check_error(qts, 1, 0, 0, CERROR_ABT); /* 17 commands */
    qtest_quit(qts);
}

/* Nothing is consumed unless all of it is enabled; then at once */
static void test_enable(void)
{
    static const struct { uint64_t reg; uint32_t value; } steps[] = {
        { CONFIG, EN }, { VINTF_CONFIG(3), EN }, { CMDQ_ALLOC(9), ALLOC(3, 1) },
        { VCMDQ_PAGE0(9) + Q_CONFIG, EN },
    };

    for (int last = 0; last < ARRAY_SIZE(steps); last++) {
        QTestState *qts = cmdqv_init("");

        put_cmd(qts, 0, CMD_SYNC);
        qtest_writeq(qts, CMDQV + VCMDQ_PAGE1(9) + Q_BASE, VIRT_RAM | 4);
        wr(qts, VCMDQ_PAGE0(9) + Q_PROD, 1);
        for (int i = 0; i < ARRAY_SIZE(steps); i++) {
            if (i != last) {
                wr(qts, steps[i].reg, steps[i].value);
            }
        }
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_STATUS), ==, 0);
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_CONS), ==, 0);
        wr(qts, steps[last].reg, steps[last].value);
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_STATUS), ==, EN);
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_CONS), ==, 1);
        check_no_error(qts);

        /* and off again, in any order: stops without an error */
        wr(qts, steps[last].reg, steps[last].value & ~EN);
        wr(qts, VCMDQ_PAGE0(9) + Q_PROD, 2);
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_STATUS), ==, 0);
        g_assert_cmphex(rd(qts, VCMDQ_PAGE0(9) + Q_CONS), ==, 1);
        check_no_error(qts);
        qtest_quit(qts);
    }
}

/* The log of a QEMU with trace events, once it has ended */
static char *quit_and_read(QTestState *qts, const char *path)
{
    g_autoptr(GError) err = NULL;
    char *log = NULL;

    qtest_quit(qts);
    g_file_get_contents(path, &log, NULL, &err);
    g_assert_no_error(err);
    unlink(path);
    return log;
}

/* A guest's VINTF: its commands get its VMID and the host's StreamID */
static void test_consume_guest(void)
{
    g_autofree char *path = g_strdup_printf("%s/cmdqv-%d.log",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *args =
        g_strdup_printf("-trace smmuv3_range_inval "
                        "-trace tegra241_cmdqv_replace_sid -D %s", path);
    g_autofree char *log = NULL;
    QTestState *qts = cmdqv_init(args);

    set_up_queue(qts, 5, 2, 1, VMID(0x1234), VIRT_RAM | 4);
    g_assert_cmphex(rd(qts, VINTF_CONFIG(2)), ==, VMID(0x1234) | EN);
    wr(qts, SID_MATCH(2, 3), 0x900 << 1 | EN);
    wr(qts, SID_REPLACE(2, 3), 0x18);
    put_cmd(qts, 0, CMD_TLBI_NH_VA | CMD_VMID(0x7777));
    put_cmd(qts, 1, CMD_TLBI_NH_ASID | CMD_VMID(0x7777));
    put_cmd(qts, 2, CMD_ATC_INV | CMD_SID(0x900));
    put_cmd(qts, 3, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_PROD, 4);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_CONS), ==, 4);
    check_no_error(qts);

    log = quit_and_read(qts, path);
    g_assert_nonnull(strstr(log, "smmuv3_range_inval vmid=4660 ")); /* 0x1234 */
    g_assert_null(strstr(log, "vmid=30583"));
    g_assert_nonnull(strstr(log, "tegra241_cmdqv_replace_sid 0x900 by 0x18"));
}

static void test_illegal(const void *data)
{
    const uint64_t *cmd = data;
    QTestState *qts = cmdqv_init("");

    catch_irq(qts);
    set_up_queue(qts, 5, 2, 1, VMID(7), VIRT_RAM | 4);
    wr(qts, SID_MATCH(2, 0), 0x900 << 1);   /* not enabled */
    put_cmd(qts, 0, CMD_SYNC);
    put_cmd(qts, 1, *cmd);
    put_cmd(qts, 2, CMD_SYNC);
    g_assert_false(irq_seen(qts));
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_PROD, 3);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_CONS) & 0xfffff, ==, 1);
    check_error(qts, 5, 2, 1, CERROR_ILL);
    g_assert_true(irq_seen(qts));

    /* stopped until it is acknowledged */
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_PROD, 4);
    put_cmd(qts, 3, CMD_SYNC);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_CONS) & 0xfffff, ==, 1);
    g_assert_false(irq_seen(qts));

    /* as Linux does: put a CMD_SYNC in its place, acknowledge */
    put_cmd(qts, 1, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_GERRORN,
       rd(qts, LVCMDQ_PAGE0(2, 1) + Q_GERROR));
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_CONS) & 0xfffff, ==, 4);
    check_no_error(qts);
    g_assert_false(irq_seen(qts));

    /* the second error toggles GERROR back; this time without an interrupt */
    wr(qts, VINTF_INT_MASK(0), 1 << 2);
    put_cmd(qts, 4, *cmd);
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_PROD, 5);
    check_error(qts, 5, 2, 1, CERROR_ILL);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_GERROR), ==, 0);
    g_assert_false(irq_seen(qts));
    qtest_quit(qts);
}

/* Bad input: an error that the guest can see, at the queue it is about */

static void test_base_beyond_ram(void)
{
    QTestState *qts = cmdqv_init("");

    catch_irq(qts);
    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_NO_RAM | 4);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 1);
    check_error(qts, 0, 0, 0, CERROR_ABT);
    g_assert_true(irq_seen(qts));
    qtest_quit(qts);
}

static void test_size_beyond_limit(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_RAM | 20);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_STATUS), ==, 0);
    check_error(qts, 0, 0, 0, CERROR_ABT);
    put_cmd(qts, 0, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 1);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS) & 0xfffff, ==, 0);

    /* a size that is allowed, and it goes on */
    qtest_writeq(qts, CMDQV + LVCMDQ_PAGE1(0, 0) + Q_BASE, VIRT_RAM | 19);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_GERRORN, 1);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS) & 0xfffff, ==, 1);
    check_no_error(qts);
    qtest_quit(qts);
}

static void test_prod_beyond_queue(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_RAM | 4);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 32);
    check_error(qts, 0, 0, 0, CERROR_ABT);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 17);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_GERRORN, 1);
    check_error(qts, 0, 0, 0, CERROR_ABT);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 0);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_GERRORN, 0);
    check_no_error(qts);
    qtest_quit(qts);
}

static void test_reallocate_in_use(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_RAM | 4);
    wr(qts, CMDQ_ALLOC(0), ALLOC(1, 0));
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(0)), ==, ALLOC(0, 0));
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_STATUS), ==, 0);
    check_error(qts, 0, 0, 0, CERROR_ABT);

    /* as it is stopped now, it may go elsewhere */
    wr(qts, VCMDQ_PAGE0(0) + Q_GERRORN, 1);
    wr(qts, CMDQ_ALLOC(0), ALLOC(1, 0));
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(0)), ==, ALLOC(1, 0));
    check_no_error(qts);
    qtest_quit(qts);
}

static void test_allocate_twice(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_RAM | 4);
    wr(qts, CMDQ_ALLOC(1), ALLOC(0, 0));
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(1)), ==, 0);
    g_assert_cmphex(rd(qts, VCMDQ_PAGE0(1) + Q_GERROR), ==, 1);
    g_assert_cmphex(rd(qts, CMDQ_ERR_MAP(0)), ==, 2);
    /* it is not the VINTF's, so neither is the error; that one works */
    g_assert_cmphex(rd(qts, VINTF_ERR_MAP(0)), ==, 0);
    put_cmd(qts, 0, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 1);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS), ==, 1);

    wr(qts, CMDQ_ALLOC(2), ALLOC(16, 0));   /* no such VINTF */
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(2)), ==, 0);
    wr(qts, CMDQ_ALLOC(3), ALLOC(0, 32));   /* no such LVCMDQ */
    g_assert_cmphex(rd(qts, CMDQ_ALLOC(3)), ==, 0);
    g_assert_cmphex(rd(qts, CMDQ_ERR_MAP(0)), ==, 0xe);
    qtest_quit(qts);
}

static void test_nothing_allocated(void)
{
    QTestState *qts = cmdqv_init("");

    wr(qts, CONFIG, EN);
    wr(qts, VINTF_CONFIG(0), EN);
    g_assert_cmphex(rd(qts, VINTF_STATUS(0)), ==, EN);
    qtest_writeq(qts, CMDQV + LVCMDQ_PAGE1(0, 0) + Q_BASE, VIRT_RAM | 4);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_CONFIG, EN);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_PROD, 1);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_STATUS), ==, 0);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS), ==, 0);
    check_no_error(qts);
    qtest_quit(qts);
}

static void test_base_in_use(void)
{
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 0, 0, 0, HYP_OWN, VIRT_RAM | 4);
    qtest_writeq(qts, CMDQV + LVCMDQ_PAGE1(0, 0) + Q_BASE, VIRT_NO_RAM | 8);
    wr(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS, 9);
    g_assert_cmphex(qtest_readq(qts, CMDQV + LVCMDQ_PAGE1(0, 0) + Q_BASE), ==,
                    VIRT_RAM | 4);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(0, 0) + Q_CONS), ==, 0);
    qtest_quit(qts);
}

/* Registers survive a migration, and a queue goes on after it */
static void test_migration(void)
{
    g_autofree char *path = g_strdup_printf("%s/cmdqv-%d.mig",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    QTestState *qts = cmdqv_init("");

    set_up_queue(qts, 5, 2, 1, VMID(7), VIRT_RAM | 4);
    wr(qts, SID_MATCH(2, 3), 0x900 << 1 | EN);
    put_cmd(qts, 0, CMD_SYNC);
    put_cmd(qts, 1, CMD_CFGI_ALL);
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_PROD, 2);
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate', 'arguments': "
                             "{ 'uri': %s } }", uri);
    qtest_qmp_eventwait(qts, "STOP");
    while (true) {
        QDict *rsp = qtest_qmp_assert_success_ref(
            qts, "{ 'execute': 'query-migrate' }");
        const char *status = qdict_get_str(rsp, "status");
        bool done = !strcmp(status, "completed");

        g_assert_cmpstr(status, !=, "failed");
        qobject_unref(rsp);
        if (done) {
            break;
        }
        g_usleep(10000);
    }
    qtest_quit(qts);

    /* not "-incoming URI": RESUME would be lost if it came before QMP is up */
    qts = cmdqv_init("-incoming defer");
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-incoming', "
                             "'arguments': { 'uri': %s } }", uri);
    qtest_qmp_eventwait(qts, "RESUME");
    g_assert_cmphex(rd(qts, SID_MATCH(2, 3)), ==, 0x900 << 1 | EN);
    check_error(qts, 5, 2, 1, CERROR_ILL);
    put_cmd(qts, 1, CMD_SYNC);
    wr(qts, LVCMDQ_PAGE0(2, 1) + Q_GERRORN, 1);
    g_assert_cmphex(rd(qts, LVCMDQ_PAGE0(2, 1) + Q_CONS) & 0xfffff, ==, 2);
    check_no_error(qts);
    qtest_quit(qts);
    unlink(path);
}

static const uint64_t illegal_cmds[] = {
    CMD_CFGI_ALL, CMD_TLBI_NH_ALL, CMD_TLBI_NSNH_ALL, 0, 0xee,
    CMD_ATC_INV | CMD_SID(0x900),   /* no SID_MATCH is enabled for it */
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/tegra241-cmdqv/consume/hypervisor", test_consume_hyp);
    qtest_add_func("/tegra241-cmdqv/consume/guest", test_consume_guest);
    qtest_add_func("/tegra241-cmdqv/consume/enable", test_enable);
    for (int i = 0; i < ARRAY_SIZE(illegal_cmds); i++) {
        g_autofree char *path =
            g_strdup_printf("/tegra241-cmdqv/illegal/0x%02" PRIx64,
                            illegal_cmds[i] & 0xff);
        qtest_add_data_func(path, &illegal_cmds[i], test_illegal);
    }
    qtest_add_func("/tegra241-cmdqv/bad/base-beyond-ram",
                   test_base_beyond_ram);
    qtest_add_func("/tegra241-cmdqv/bad/size-beyond-limit",
                   test_size_beyond_limit);
    qtest_add_func("/tegra241-cmdqv/bad/prod-beyond-queue",
                   test_prod_beyond_queue);
    qtest_add_func("/tegra241-cmdqv/bad/reallocate-in-use",
                   test_reallocate_in_use);
    qtest_add_func("/tegra241-cmdqv/bad/allocate-twice", test_allocate_twice);
    qtest_add_func("/tegra241-cmdqv/bad/nothing-allocated",
                   test_nothing_allocated);
    qtest_add_func("/tegra241-cmdqv/bad/base-in-use", test_base_in_use);
    qtest_add_func("/tegra241-cmdqv/migration", test_migration);

    return g_test_run();
}
