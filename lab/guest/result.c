/*
 * Reports results of L2 to the test on the outer machine
 *
 *   result KEY=VALUE...    reports these
 *   result                 the same for each such line of the standard input,
 *                          and prints all lines on the console
 *   result -d              reports the lines of the standard input as "dmesg"
 *   result -w KEY=VALUE    reports that, and waits for a line from the test
 *
 * A result is a line of JSON, {"KEY": "VALUE"}, on the serial port that
 * /dev/lab-results is a link to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static FILE *port;

static bool is_key(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ' || text[i] == '"' || text[i] == '\\') {
            return false;
        }
    }
    return len > 0;
}

static void put_string(const char *text, size_t len)
{
    fputc('"', port);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = text[i];

        if (c == '"' || c == '\\') {
            fprintf(port, "\\%c", c);
        } else if (c < 0x20 || c > 0x7e) {
            fprintf(port, "\\u%04x", c);
        } else {
            fputc(c, port);
        }
    }
    fputc('"', port);
}

static void put(const char *key, size_t len, const char *value)
{
    fputc('{', port);
    put_string(key, len);
    fputs(": ", port);
    put_string(value, strlen(value));
    fputs("}\n", port);
    fflush(port);
}

static bool put_pair(const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || !is_key(text, equals - text)) {
        return false;
    }
    put(text, equals - text, equals + 1);
    return true;
}

static void copy_input(bool dmesg)
{
    char line[4096];

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (dmesg) {
            put("dmesg", strlen("dmesg"), line);
        } else {
            put_pair(line);
            printf("%s\n", line);
            fflush(stdout);
        }
    }
}

/* What comes while the port is closed is lost: it was open for the report */
static int wait_for_line(int fd)
{
    char c;

    do {
        if (read(fd, &c, 1) != 1) {
            perror("result: the port");
            return 1;
        }
    } while (c != '\n');
    return 0;
}

int main(int argc, char **argv)
{
    bool waits = argc == 3 && !strcmp(argv[1], "-w");
    int fd = open("/dev/lab-results", (waits ? O_RDWR : O_WRONLY) | O_NOCTTY);
    struct termios mode;
    int ret = 0;

    port = fd < 0 ? NULL : fdopen(fd, "w");
    if (!port) {
        perror("/dev/lab-results");
        return 1;
    }
    if (!tcgetattr(fd, &mode)) {
        cfmakeraw(&mode);
        tcsetattr(fd, TCSANOW, &mode);
    }
    if (argc == 1 || !strcmp(argv[1], "-d")) {
        copy_input(argc > 1);
    }
    for (int i = waits ? 2 : 1; i < argc && strcmp(argv[1], "-d"); i++) {
        if (!put_pair(argv[i])) {
            fprintf(stderr, "result: '%s' is not KEY=VALUE\n", argv[i]);
            ret = 1;
        }
    }
    fflush(port);
    /* A guest that is powered off or reset next must not cut a line */
    tcdrain(fd);
    return waits && !ret ? wait_for_line(fd) : ret;
}
