/*
 * netverify: do network functions deliver what they are given, by DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   netverify FRAMES
 *
 * Each interface that has a device sends FRAMES Ethernet frames to the one that
 * is half way round from it, all at the same time. Each word of a frame follows
 * from who sends it, and from its number. A frame that gets lost is sent again
 * (nothing here has flow control); one with a wrong word ends it all.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS       32
#define ETHERTYPE       0x88b5      /* IEEE 802: local experiments */
#define MAX_WORDS       370         /* of 4 bytes; 1496 with the header */
#define HEADER_WORDS    3
#define LINK_MS         10000
#define RESEND_MS       200
#define GIVE_UP_MS      15000

typedef struct Frame {
    uint8_t to[6];
    uint8_t from[6];
    uint16_t type;
    uint16_t padding;
    uint32_t words[MAX_WORDS];      /* number, sender, length, pattern */
} __attribute__((packed)) Frame;

typedef struct Port {
    char name[IFNAMSIZ];
    uint8_t mac[6];
    int fd;
    uint32_t received;              /* of the frames meant for it */
    uint32_t resent;
    uint64_t bytes;
    uint64_t sent_ms;
} Port;

static Port ports[MAX_PORTS];
static uint32_t nb_ports;

static __attribute__((noreturn, format(printf, 1, 2)))
void fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static uint32_t pattern(uint32_t sender, uint32_t number, uint32_t index)
{
    return (sender * 0x01000193 + number) * 0x9e3779b1 + index * 0x85ebca6b;
}

static uint32_t frame_words(uint32_t number)
{
    return HEADER_WORDS + 10 + number * 37 % (MAX_WORDS - HEADER_WORDS - 9);
}

static uint32_t receiver_of(uint32_t sender)
{
    return (sender + nb_ports / 2) % nb_ports;
}

static uint32_t sender_to(uint32_t receiver)
{
    return (receiver + nb_ports - nb_ports / 2) % nb_ports;
}

static void port_request(Port *p, unsigned long request, struct ifreq *ifr)
{
    strcpy(ifr->ifr_name, p->name);
    if (ioctl(p->fd, request, ifr)) {
        fail("error=%s: request 0x%lx: %s", p->name, request, strerror(errno));
    }
}

static void port_open(Port *p)
{
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETHERTYPE),
    };
    struct ifreq ifr = { };
    uint64_t began = now_ms();

    p->fd = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));
    if (p->fd < 0) {
        fail("error=no packet socket: %s", strerror(errno));
    }
    port_request(p, SIOCGIFHWADDR, &ifr);
    memcpy(p->mac, ifr.ifr_hwaddr.sa_data, sizeof(p->mac));
    port_request(p, SIOCGIFFLAGS, &ifr);
    ifr.ifr_flags |= IFF_UP;
    port_request(p, SIOCSIFFLAGS, &ifr);
    addr.sll_ifindex = if_nametoindex(p->name);
    if (bind(p->fd, (struct sockaddr *)&addr, sizeof(addr))) {
        fail("error=%s: bind: %s", p->name, strerror(errno));
    }
    do {
        if (now_ms() - began > LINK_MS) {
            fail("error=%s has no link", p->name);
        }
        usleep(20000);
        port_request(p, SIOCGIFFLAGS, &ifr);
    } while (!(ifr.ifr_flags & IFF_RUNNING));
}

static void find_ports(void)
{
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[512];

        snprintf(path, sizeof(path), "/sys/class/net/%s/device", entry->d_name);
        if (access(path, F_OK) || nb_ports == MAX_PORTS) {
            continue;
        }
        snprintf(ports[nb_ports++].name, IFNAMSIZ, "%.15s", entry->d_name);
    }
    if (nb_ports < 2) {
        fail("error=there are %" PRIu32 " network functions", nb_ports);
    }
    for (uint32_t i = 0; i < nb_ports; i++) {
        port_open(&ports[i]);
    }
}

static void send_frame(uint32_t sender, uint32_t number)
{
    uint32_t len = frame_words(number);
    Port *p = &ports[sender];
    size_t size = offsetof(Frame, words) + len * 4;
    Frame f = { .type = htons(ETHERTYPE) };

    memcpy(f.from, p->mac, sizeof(f.from));
    memcpy(f.to, ports[receiver_of(sender)].mac, sizeof(f.to));
    f.words[0] = number;
    f.words[1] = sender;
    f.words[2] = len;
    for (uint32_t i = HEADER_WORDS; i < len; i++) {
        f.words[i] = pattern(sender, number, i);
    }
    p->sent_ms = now_ms();
    if (send(p->fd, &f, size, 0) < 0 && errno != ENOBUFS && errno != EAGAIN) {
        fail("io_error=%s: send: %s", p->name, strerror(errno));
    }
}

/* Take what has come for a port; true if it was the frame that is next */
static bool receive_frame(uint32_t receiver)
{
    Port *p = &ports[receiver];
    struct sockaddr_ll addr;
    socklen_t addr_len = sizeof(addr);
    uint32_t sender = sender_to(receiver), len;
    Frame f;
    ssize_t size = recvfrom(p->fd, &f, sizeof(f), MSG_DONTWAIT,
                            (struct sockaddr *)&addr, &addr_len);

    if (size < 0 || addr.sll_pkttype != PACKET_HOST) {
        return false;
    }
    if (size < (ssize_t)offsetof(Frame, words[HEADER_WORDS]) ||
        f.words[1] != sender || f.words[0] > p->received) {
        fail("wrong_data=%s: %zd bytes, frame %" PRIu32 " of %" PRIu32
             ", want %" PRIu32 " of %" PRIu32, p->name, size, f.words[0],
             f.words[1], p->received, sender);
    }
    if (f.words[0] < p->received) {
        return false;       /* it was sent again, and was not lost */
    }
    len = frame_words(f.words[0]);
    if (f.words[2] != len || size < (ssize_t)offsetof(Frame, words[len])) {
        fail("wrong_data=%s: frame %" PRIu32 " has %zd bytes", p->name,
             f.words[0], size);
    }
    for (uint32_t i = HEADER_WORDS; i < len; i++) {
        if (f.words[i] != pattern(sender, f.words[0], i)) {
            fail("wrong_data=%s: word %" PRIu32 " of frame %" PRIu32
                 ": want 0x%08" PRIx32 ", found 0x%08" PRIx32, p->name, i,
                 f.words[0], pattern(sender, f.words[0], i), f.words[i]);
        }
    }
    p->received++;
    p->bytes += size;
    return true;
}

static void exchange(uint32_t frames)
{
    struct pollfd fds[MAX_PORTS];
    uint32_t done = 0;
    uint64_t last = now_ms();

    for (uint32_t i = 0; i < nb_ports; i++) {
        fds[i] = (struct pollfd){ .fd = ports[i].fd, .events = POLLIN };
        send_frame(i, 0);
    }
    while (done < nb_ports) {
        poll(fds, nb_ports, RESEND_MS);
        for (uint32_t i = 0; i < nb_ports; i++) {
            uint32_t sender = sender_to(i);
            Port *p = &ports[i];

            if (fds[i].revents && receive_frame(i)) {
                last = now_ms();
                if (p->received == frames) {
                    done++;
                } else {
                    send_frame(sender, p->received);
                }
            } else if (p->received < frames &&
                       now_ms() - ports[sender].sent_ms > RESEND_MS) {
                p->resent++;
                send_frame(sender, p->received);
            }
        }
        if (now_ms() - last > GIVE_UP_MS) {
            for (uint32_t i = 0; i < nb_ports; i++) {
                printf("%s has received %" PRIu32 "\n", ports[i].name,
                       ports[i].received);
            }
            fail("io_error=nothing came for %d ms", GIVE_UP_MS);
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t bytes = 0, resent = 0;
    uint32_t frames;

    if (argc != 2 || sscanf(argv[1], "%" SCNu32, &frames) != 1 || !frames) {
        fail("error=usage: netverify FRAMES");
    }
    find_ports();
    exchange(frames);
    for (uint32_t i = 0; i < nb_ports; i++) {
        bytes += ports[i].bytes;
        resent += ports[i].resent;
    }
    printf("ports=%" PRIu32 "\nframes=%" PRIu32 "\nbytes_verified=%" PRIu64
           "\nresent=%" PRIu64 "\n",
           nb_ports, nb_ports * frames, bytes, resent);
    return 0;
}
