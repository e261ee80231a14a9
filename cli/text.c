/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text for people: amounts, and what others wrote made fit for a terminal. */
#include "cli.h"

char *text_clean(const char *text)
{
    GString *clean = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(clean, g_unichar_isprint(c) ? c : '?');
    }
    return g_string_free(clean, FALSE);
}

char *text_time(const char *text)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
    g_autoptr(GDateTime) local = time == NULL ? NULL : g_date_time_to_local(time);
    return local == NULL ? g_strdup("-") : g_date_time_format(local, "%Y-%m-%d %H:%M:%S");
}

char *text_size(guint64 bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double amount = bytes / 1024.0;
    guint unit = 0;
    if (bytes < 1024)
        return g_strdup_printf("%" G_GUINT64_FORMAT " bytes", bytes);
    while (amount >= 1023.95 && unit + 1 < G_N_ELEMENTS(units)) {
        amount /= 1024;
        unit++;
    }
    return g_strdup_printf("%.1f %s", amount, units[unit]);
}

char *text_duration(guint64 ns)
{
    if (ns < 1000 * 1000)
        return g_strdup_printf("%.1f µs", ns / 1e3);
    if (ns < 1000 * 1000 * 1000)
        return g_strdup_printf("%.1f ms", ns / 1e6);
    return g_strdup_printf("%.1f s", ns / 1e9);
}

const char *text_plural(guint64 n)
{
    return n == 1 ? "" : "s";
}

double text_percent(guint64 part, guint64 whole)
{
    return whole == 0 ? 0 : 100.0 * part / whole;
}

char *text_rate(guint64 done, guint64 total, guint64 first, gint64 elapsed_us)
{
    GString *text = g_string_new(NULL);
    g_autofree char *amount = text_size(done);
    double rate = elapsed_us <= 0 ? 0 : (done - first) * 1e6 / elapsed_us;
    g_string_append(text, amount);
    if (total >= done && total > 0) {
        g_autofree char *all = text_size(total);
        g_string_append_printf(text, " of %s (%.0f %%)", all, text_percent(done, total));
    }
    if (rate < 1)
        return g_string_free(text, FALSE);
    g_autofree char *speed = text_size(rate);
    g_string_append_printf(text, ", %s/s", speed);
    if (total > done)
        g_string_append_printf(text, ", %.0f s left", (total - done) / rate);
    return g_string_free(text, FALSE);
}
