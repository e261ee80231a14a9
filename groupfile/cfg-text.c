/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts in xl.cfg(5) syntax. libxlutil decides what is grammar and what a value is, but cannot say
 * which keys a file has nor where a value stands, and it leaks and misreads what is no token at
 * all: a scanner cuts the text into words first.
 */
#include "cfg-text.h"

#include "domgrp-error.h"

#include <errno.h>
#include <libxlutil.h>
#include <string.h>

/* A key, or a string or number of the key before it. */
typedef struct {
    const char *text;
    gsize length;
    guint line;
    gboolean is_key;
} Word;

/* Where a key stands; its values' words follow it. */
typedef struct {
    const Word *word; /* NULL: the file has it not */
    guint n_values;
} KeyPlace;

struct CfgText {
    const CfgKind *kind;
    char *filename;
    char *text;
    GArray *words; /* of Word */
    XLU_Config *config;
    KeyPlace *places; /* by key */
};

/* -- before libxlutil sees it: it asserts that there are no NUL bytes -- */

static gboolean text_check(const CfgKind *kind, const char *text, gsize length,
                           const char *filename, GError **error)
{
    const char *end;
    guint line = 1;

    if (length > CFG_TEXT_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                    "%s: a %s of %zu bytes is too large; the most is %u", filename, kind->what,
                    length, CFG_TEXT_MAX);
        return FALSE;
    }
    if (g_utf8_validate_len(text, length, &end))
        return TRUE;
    for (const char *c = text; c < end; c++)
        line += *c == '\n';
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX, "%s:%u: the byte 0x%02x is not text",
                filename, line, (guint)(guchar)*end);
    return FALSE;
}

/* -- words -- */

/* The length of the quoted string that @text begins with; 0 if it is not one. */
static gsize string_length(const char *text)
{
    gsize i = 1;
    while (text[i] != text[0]) {
        if (text[i] == '\\' && text[i + 1] != '\0' && strchr("\\'\"", text[i + 1]) != NULL)
            i += 2;
        else if (text[i] == '\\' || text[i] == '\n' || text[i] == '\0')
            return 0;
        else
            i++;
    }
    return i + 1;
}

/* The length of the word or sign that @text begins with; 0 if it is none. */
static gsize token_length(const char *text)
{
    if (g_ascii_islower(*text))
        return strspn(text, "._0123456789abcdefghijklmnopqrstuvwxyz");
    if (g_ascii_isdigit(*text))
        return strspn(text, "0123456789abcdefx");
    if (*text == '"' || *text == '\'')
        return string_length(text);
    if (*text == '#')
        return strcspn(text, "\n");
    if (g_str_has_prefix(text, "+="))
        return 2;
    return strchr(" \t\n,[]=;", *text) != NULL ? 1 : 0;
}

static void token_fail(const CfgText *cfg, const char *text, guint line, GError **error)
{
    g_autofree char *shown = g_strndup(text, (gsize)(g_utf8_next_char(text) - text));
    if (*text == '"' || *text == '\'')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: the string does not end in this line, or has a backslash before "
                    "something other than a quote or a backslash",
                    cfg->filename, line);
    else if (*text == '\r')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: the line ends as on Windows; remove the carriage returns",
                    cfg->filename, line);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: \"%s\" does not belong here; write values in quotes", cfg->filename,
                    line, g_ascii_iscntrl(*text) ? "a control character" : shown);
}

static gboolean words_scan(CfgText *cfg, const char *text, GError **error)
{
    gsize length;
    for (guint line = 1; *text != '\0'; text += length) {
        length = token_length(text);
        if (length == 0) {
            token_fail(cfg, text, line, error);
            return FALSE;
        }
        Word word = {text, length, line, g_ascii_islower(*text)};
        if (word.is_key || g_ascii_isdigit(*text) || *text == '"' || *text == '\'')
            g_array_append_val(cfg->words, word);
        line += *text == '\n';
    }
    return TRUE;
}

/* -- grammar, by libxlutil -- */

/*
 * The first line of what libxlutil reported, ":LINE: why". Its line is one
 * too low where the error is met at the end of a line.
 */
static void report_to_error(const char *filename, char *report, GError **error)
{
    char *why = report[0] == ':' ? NULL : report;
    guint64 line = why == NULL ? g_ascii_strtoull(report + 1, &why, 10) : 0;

    report[strcspn(report, "\n")] = '\0';
    if (strstr(why, "near <newline>") != NULL || strstr(why, "near `#") != NULL)
        line++;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX, "%s:%" G_GUINT64_FORMAT "%s", filename,
                line, why);
}

static gboolean grammar_parse(CfgText *cfg, const char *text, GError **error)
{
    char *report = NULL;
    size_t report_length;
    FILE *stream = open_memstream(&report, &report_length);
    cfg->config = stream != NULL ? xlu_cfg_init(stream, "") : NULL;
    if (cfg->config == NULL)
        g_error("out of memory");

    /* A comment has to end in a newline for libxlutil. */
    g_autofree char *lines = g_strconcat(text, "\n", NULL);
    int failed = xlu_cfg_readdata(cfg->config, lines, (int)strlen(lines));
    fclose(stream); /* from now on it is only asked without warnings */
    if (failed != 0)
        report_to_error(cfg->filename, report, error);
    free(report);
    return failed == 0;
}

/* -- keys: in text that libxlutil accepts, a word outside quotes is one -- */

static gboolean key_unknown(const CfgText *cfg, const Word *word, GError **error)
{
    CfgKey key = cfg->kind->key;
    g_autoptr(GString) all = g_string_new(key(0));
    for (guint i = 1; key(i) != NULL; i++)
        g_string_append_printf(all, "%s%s", key(i + 1) != NULL ? ", " : " and ", key(i));
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_KEY_UNKNOWN,
                "%s:%u: the key \"%.*s\" is not known; a %s has %s", cfg->filename, word->line,
                (int)MIN(word->length, 60), word->text, cfg->kind->what, all->str);
    return FALSE;
}

static gboolean key_lookup(const CfgText *cfg, const Word *word, guint *ret_key, GError **error)
{
    const char *name;
    for (guint key = 0; (name = cfg->kind->key(key)) != NULL; key++) {
        if (strlen(name) == word->length && memcmp(name, word->text, word->length) == 0) {
            *ret_key = key;
            return TRUE;
        }
    }
    return key_unknown(cfg, word, error);
}

static KeyPlace *places_new(const CfgKind *kind)
{
    guint n = 0;
    while (kind->key(n) != NULL)
        n++;
    return g_new0(KeyPlace, n);
}

static gboolean keys_find(CfgText *cfg, GError **error)
{
    guint key = 0;

    for (guint i = 0; i < cfg->words->len; i++) {
        const Word *word = &g_array_index(cfg->words, Word, i);
        if (!word->is_key) {
            cfg->places[key].n_values++;
            continue;
        }
        if (!key_lookup(cfg, word, &key, error))
            return FALSE;
        if (cfg->places[key].word != NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s:%u: \"%s\" is set a second time, after line %u; keep one",
                        cfg->filename, word->line, cfg->kind->key(key),
                        cfg->places[key].word->line);
            return FALSE;
        }
        cfg->places[key].word = word;
    }
    return TRUE;
}

/* -- values -- */

guint cfg_text_line(const CfgText *cfg, guint key, guint i)
{
    const KeyPlace *place = &cfg->places[key];
    return i < place->n_values ? place->word[1 + i].line : place->word->line;
}

int cfg_text_count(const CfgText *cfg, guint key)
{
    XLU_ConfigList *list;
    int count;
    int failed = xlu_cfg_get_list(cfg->config, cfg->kind->key(key), &list, &count, 1);
    return failed != 0 ? -failed : count;
}

const char *cfg_text_item(const CfgText *cfg, guint key, guint i)
{
    XLU_ConfigList *list;
    xlu_cfg_get_list(cfg->config, cfg->kind->key(key), &list, NULL, 1);
    return xlu_cfg_get_listitem(list, (int)i);
}

const char *cfg_text_filename(const CfgText *cfg)
{
    return cfg->filename;
}

gboolean cfg_text_has(const CfgText *cfg, guint key)
{
    return cfg->places[key].word != NULL;
}

static gboolean value_add(const CfgText *cfg, guint key, guint i, const char *value, CfgAdd add,
                          gpointer data, GError **error)
{
    if (add(data, cfg->kind->key(key), value, error))
        return TRUE;
    g_prefix_error(error, "%s:%u: ", cfg->filename, cfg_text_line(cfg, key, i));
    return FALSE;
}

/* The string of @key, which is there; NULL with an error if it is a list. */
static const char *string_get(const CfgText *cfg, guint key, GError **error)
{
    const char *value = NULL;
    if (xlu_cfg_get_string(cfg->config, cfg->kind->key(key), &value, 1) == EINVAL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"%s\" is a list; write one value in quotes", cfg->filename,
                    cfg->places[key].word->line, cfg->kind->key(key));
    return value;
}

static gboolean list_add(const CfgText *cfg, guint key, CfgAdd add, gpointer data, GError **error)
{
    int count = cfg_text_count(cfg, key);
    if (count < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"%s\" is a single value; write a list, [ \"...\" ]", cfg->filename,
                    cfg->places[key].word->line, cfg->kind->key(key));
        return FALSE;
    }
    for (guint i = 0; i < (guint)count; i++) {
        const char *value = cfg_text_item(cfg, key, i);
        if (value == NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s:%u: item %u of \"%s\" is a list; write a string in quotes",
                        cfg->filename, cfg_text_line(cfg, key, i), i + 1, cfg->kind->key(key));
            return FALSE;
        }
        if (!value_add(cfg, key, i, value, add, data, error))
            return FALSE;
    }
    return TRUE;
}

gboolean cfg_text_add(const CfgText *cfg, guint key, gboolean is_list, CfgAdd add, gpointer data,
                      GError **error)
{
    if (!cfg_text_has(cfg, key))
        return TRUE;
    if (is_list)
        return list_add(cfg, key, add, data, error);
    const char *value = string_get(cfg, key, error);
    return value != NULL && value_add(cfg, key, 0, value, add, data, error);
}

/* -- one reading -- */

CfgText *cfg_text_new(const CfgKind *kind, const char *text, gsize length, const char *filename,
                      GError **error)
{
    if (!text_check(kind, text, length, filename, error))
        return NULL;
    CfgText *cfg = g_new0(CfgText, 1);
    cfg->kind = kind;
    cfg->filename = g_strdup(filename);
    cfg->text = g_strndup(text, length);
    cfg->words = g_array_new(FALSE, FALSE, sizeof(Word));
    cfg->places = places_new(kind);
    if (words_scan(cfg, cfg->text, error) && grammar_parse(cfg, cfg->text, error) &&
        keys_find(cfg, error))
        return cfg;
    cfg_text_free(cfg);
    return NULL;
}

void cfg_text_free(CfgText *cfg)
{
    g_clear_pointer(&cfg->config, xlu_cfg_destroy);
    g_array_unref(cfg->words);
    g_free(cfg->places);
    g_free(cfg->filename);
    g_free(cfg->text);
    g_free(cfg);
}
