/*
 * Checks the extended capabilities in a device's configuration space
 *
 *   ecaps < /sys/bus/pci/devices/BDF/config
 *
 * It prints lines NAME=VALUE: "chain", which is "ok" or says what is wrong with
 * the chain (each capability aligned, within 0x100 to 0xffc, met once, and not
 * inside another), "ecaps" with ID@OFFSET of all, and what a driver would read
 * in the ATS and PASID capabilities. It exits with 0 if the chain is ok.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_SIZE     4096
#define FIRST           0x100
#define LAST            0xffc

#define ID_AER          0x0001
#define ID_VNDR         0x000b
#define ID_ATS          0x000f
#define ID_PASID        0x001b
#define ID_DVSEC        0x0023

static uint8_t config[CONFIG_SIZE];
static bool used[CONFIG_SIZE];

static uint32_t get(unsigned pos, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes && pos + i < CONFIG_SIZE; i++) {
        value |= (uint32_t)config[pos + i] << 8 * i;
    }
    return value;
}

/* The bytes that a capability has at least */
static unsigned size_of(unsigned pos)
{
    switch (get(pos, 2)) {
    case 0:
        return 4;
    case ID_AER:
        return 0x48;
    case ID_VNDR:
    case ID_DVSEC:
        return get(pos + 4, 4) >> 20;
    default:
        return 8;
    }
}

static const char *check_and_mark(unsigned pos)
{
    unsigned size;

    if (pos % 4) {
        return "not aligned";
    }
    if (pos < FIRST || pos > LAST) {
        return "out of range";
    }
    size = size_of(pos);
    if (pos + size > CONFIG_SIZE) {
        return "reaches beyond the end";
    }
    for (unsigned i = 0; i < size; i++) {
        if (used[pos + i]) {
            return "overlaps another";
        }
        used[pos + i] = true;
    }
    return NULL;
}

static void print_ats(unsigned pos)
{
    unsigned control = get(pos + 6, 2);

    printf("ats=0x%x\n", pos);
    printf("ats_enabled=%u\n", control >> 15);
}

static void print_pasid(unsigned pos)
{
    unsigned cap = get(pos + 4, 2);

    printf("pasid=0x%x\n", pos);
    printf("pasid_width=%u\n", cap >> 8 & 0x1f);
    printf("pasid_exec=%u\n", cap >> 1 & 1);
    printf("pasid_priv=%u\n", cap >> 2 & 1);
    printf("pasid_enabled=%u\n", get(pos + 6, 2) & 1);
}

int main(void)
{
    const char *wrong = NULL;
    unsigned ats = 0, pasid = 0, pos;
    char list[CONFIG_SIZE] = "";

    if (fread(config, 1, CONFIG_SIZE, stdin) != CONFIG_SIZE) {
        printf("chain=no extended configuration space\n");
        return 1;
    }
    for (pos = FIRST; pos && get(pos, 4); pos = get(pos + 2, 2) >> 4) {
        size_t len = strlen(list);
        unsigned id;

        wrong = check_and_mark(pos);
        if (wrong) {
            break;
        }
        id = get(pos, 2);
        snprintf(list + len, sizeof(list) - len, "%s%x@%x",
                 len ? "," : "", id, pos);
        ats = id == ID_ATS ? pos : ats;
        pasid = id == ID_PASID ? pos : pasid;
    }
    if (wrong) {
        printf("chain=0x%x %s\n", pos, wrong);
    } else {
        printf("chain=ok\n");
    }
    printf("ecaps=%s\n", list);
    if (ats) {
        print_ats(ats);
    } else {
        printf("ats=none\n");
    }
    if (pasid) {
        print_pasid(pasid);
    } else {
        printf("pasid=none\n");
    }
    return wrong != NULL;
}
