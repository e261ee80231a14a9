/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes to its output what `xl save` would write of a PVH guest of any size, to measure readers of
 * such streams without storing their input. All records are well-formed; what is in the guest's
 * registers and memory is not a guest's.
 *
 * usage: generate-stream GIB [ZERO DUPLICATE]
 * Percentages of the pages; all others are distinct, and compress to about a third, as a guest's
 * do. The same arguments give the same bytes.
 */
#include <errno.h>
#include <error.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define BATCH 1024 /* pages in a record, as libxc has them */
#define XL_MAGIC "Xen saved domain, xl format\n \0 \r"
#define XL_BYTE_ORDER 0x01020304
#define XL_JSON_AND_V2 3
#define CONFIG                                                                                     \
    "{ \"c_info\": { \"type\": \"pvh\", \"name\": \"generated\",\n"                                \
    "    \"uuid\": \"7d1a3c5e-0b2d-4f60-8a9c-1e3f5a7b9d0c\" },\n"                                  \
    "  \"b_info\": { \"max_memkb\": %llu, \"target_memkb\": %llu, \"type.pvh\": {} } }\n"

enum { XL_LIBXC_CONTEXT = 1, XL_END = 0 };
enum {
    END = 0,
    PAGE_DATA = 1,
    TSC_INFO = 8,
    HVM_CONTEXT = 9,
    HVM_PARAMS = 10,
    STATIC_DATA_END = 16
};

struct record {
    uint32_t type, length;
};

static void emit(const void *data, size_t length)
{
    const char *p = data;

    while (length) {
        ssize_t n = write(STDOUT_FILENO, p, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error(1, errno, "cannot write");
        p += n;
        length -= n;
    }
}

/* Lengths here are multiples of 8: no padding. */
static void emit_record(uint32_t type, const void *body, uint32_t length)
{
    struct record record = {type, length};

    emit(&record, sizeof(record));
    emit(body, length);
}

static void emit_headers(uint64_t pages)
{
    static const uint8_t libxl[16] = "LibxlFmt\0\0\0\2";
    static const uint8_t libxc[24] = "\xff\xff\xff\xff\xff\xff\xff\xffXENF\0\0\0\3";
    static const uint32_t domain[4] = {2, 12, 4, 17}; /* HVM, page shift, Xen's version */
    char config[512];
    unsigned long long kib = pages * (PAGE / 1024);
    uint32_t length = snprintf(config, sizeof(config), CONFIG, kib, kib);
    uint32_t xl[5] = {XL_BYTE_ORDER, XL_JSON_AND_V2, 0, sizeof(length) + length, length};

    emit(XL_MAGIC, 32);
    emit(xl, sizeof(xl));
    emit(config, length);
    emit(libxl, sizeof(libxl));
    emit_record(XL_LIBXC_CONTEXT, NULL, 0);
    emit(libxc, sizeof(libxc));
    emit(domain, sizeof(domain));
    emit_record(STATIC_DATA_END, NULL, 0);
}

static void emit_tail(void)
{
    static const uint64_t tsc[3], context[64], params[1];

    emit_record(TSC_INFO, tsc, sizeof(tsc));
    emit_record(HVM_CONTEXT, context, sizeof(context));
    emit_record(HVM_PARAMS, params, sizeof(params));
    emit_record(END, NULL, 0);
    emit_record(XL_END, NULL, 0);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Distinct page `number`: of four words one is random, one a small number and two are zero. */
static void fill_page(uint64_t *page, uint64_t number)
{
    uint64_t x = mix(number + 1);

    memset(page, 0, PAGE);
    for (size_t i = 0; i < PAGE / sizeof(*page); i += 4) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        page[i] = x;
        page[i + 1] = x >> 56;
    }
}

struct shares {
    unsigned zero, duplicate; /* percent */
    uint64_t distinct;        /* pages so far */
};

static void choose_page(uint64_t *page, uint64_t pfn, struct shares *shares)
{
    uint64_t chance = mix(~pfn);
    unsigned percent = chance % 100;

    if (percent < shares->zero) {
        memset(page, 0, PAGE);
        return;
    }
    if (percent < shares->zero + shares->duplicate && shares->distinct) {
        fill_page(page, (chance >> 7) % shares->distinct);
        return;
    }
    fill_page(page, shares->distinct++);
}

static void emit_pages(uint64_t pages, struct shares *shares)
{
    static struct {
        uint32_t count, reserved;
        uint64_t pfns[BATCH];
        uint64_t data[BATCH][PAGE / sizeof(uint64_t)];
    } body = {BATCH, 0, {0}, {{0}}};

    for (uint64_t pfn = 0; pfn < pages; pfn += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            body.pfns[i] = pfn + i;
            choose_page(body.data[i], pfn + i, shares);
        }
        emit_record(PAGE_DATA, &body, sizeof(body));
    }
}

static unsigned number(const char *text, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end || end == text || value > most)
        error(2, 0, "%s is no number from 0 to %u", text, most);
    return value;
}

int main(int argc, char **argv)
{
    struct shares shares = {0};
    uint64_t pages;

    if (argc != 2 && argc != 4)
        error(2, 0, "usage: generate-stream GIB [ZERO DUPLICATE]");
    pages = (uint64_t)number(argv[1], 65536) << 18;
    shares.zero = argc == 4 ? number(argv[2], 100) : 40;
    shares.duplicate = argc == 4 ? number(argv[3], 100 - shares.zero) : 30;
    emit_headers(pages);
    emit_pages(pages, &shares);
    emit_tail();
    fprintf(stderr, "%llu\n", (unsigned long long)shares.distinct);
    return 0;
}
