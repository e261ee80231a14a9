/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How xl is run to read an xl.cfg, with a script in xl's place: what it is
 * given, and what becomes of each way in which it can answer.
 */
#include "private.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static char *directory; /* holds the script, and is the member's directory */

static void xl_is(const char *script)
{
    g_autofree char *path = g_build_filename(directory, "xl", NULL);
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0700), ==, 0);
}

static void assert_prints(const char *text, const char *expected)
{
    g_autofree char *json = NULL;
    g_autoptr(GError) error = NULL;
    dryrun("m.cfg", text, directory, &json, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json, ==, expected);
}

static void assert_refused(DomgrpErrorCode code, const char *message)
{
    char *json = (char *)"untouched";
    g_autoptr(GError) error = NULL;
    g_assert_false(dryrun("m.cfg", "text", directory, &json, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpstr(json, ==, "untouched");
}

static void test_given(void)
{
    /* The fifth argument is the text; it is no file that has a name anywhere. */
    xl_is("cat \"$5\"");
    assert_prints("name = 'a'\n", "name = 'a'\n");
    g_autofree char *large = g_strnfill(300000, 'x');
    assert_prints(large, large);
    assert_prints("", "");
    xl_is("echo $# $1 $2 $3 $4");
    assert_prints("", "5 create -q -n -d\n");
    xl_is("pwd -P");
    g_autofree char *real = g_strconcat(directory, "\n", NULL);
    assert_prints("", real);
    xl_is("cat; echo end"); /* its input is empty */
    assert_prints("", "end\n");
}

/* Warnings do not spoil the output, and a silent failure is one. */
static void test_status(void)
{
    xl_is("echo warning >&2; echo '{}'");
    assert_prints("", "{}\n");
    xl_is("echo '{}'; exit 3");
    assert_refused(DOMGRP_ERROR_MEMBER_CONFIG, "xl refuses m.cfg: it does not say why");
    xl_is("echo '{}'; kill -SEGV $$");
    assert_refused(DOMGRP_ERROR_MEMBER_CONFIG, "xl refuses m.cfg: it does not say why");
}

static void test_words(void)
{
    xl_is("echo \"$5:3: bad\" >&2; printf '\\n  more\\377 \\n' >&2; exit 1");
    assert_refused(DOMGRP_ERROR_MEMBER_CONFIG, "xl refuses m.cfg: m.cfg:3: bad; more\xef\xbf\xbd");
}

static void test_sxp(void)
{
    xl_is("echo '(domain (domid -1))'");
    assert_refused(DOMGRP_ERROR_HOST, "xl prints m.cfg as SXP; remove output_format=\"sxp\" from "
                                      "/etc/xen/xl.conf");
}

static void test_endless(void)
{
    xl_is("exec yes");
    assert_refused(DOMGRP_ERROR_TIMEOUT, "m.cfg: xl was ended: it prints without end");
    xl_is("exec yes >&2");
    assert_refused(DOMGRP_ERROR_TIMEOUT, "m.cfg: xl was ended: it prints without end");
}

/* The text is open once, the watch of its own end not at all, and SIGPIPE ends it. */
static void test_inherited(void)
{
    xl_is("for f in /proc/$$/fd/*; do readlink $f; done > list; grep -c memfd list; "
          "grep -c pidfd list; rm list");
    assert_prints("", "1\n0\n");
    xl_is("kill -PIPE $$; echo ignored");
    assert_refused(DOMGRP_ERROR_MEMBER_CONFIG, "xl refuses m.cfg: it does not say why");
    xl_is("grep ^SigBlk /proc/$$/status | tr -d '\\n\\t'");
    assert_prints("", "SigBlk:0000000000000000");
}

static void test_missing(void)
{
    g_autofree char *path = g_build_filename(directory, "xl", NULL);
    g_autofree char *message =
        g_strdup_printf("xl cannot be started in %s: No such file or directory", directory);
    g_autofree char *before = g_strdup(g_getenv("PATH"));

    g_remove(path);
    g_setenv("PATH", directory, TRUE);
    assert_refused(DOMGRP_ERROR_HOST, message);
    g_setenv("PATH", before, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("dryrun-XXXXXX", NULL);
    g_autofree char *path = g_strdup_printf("%s:%s", directory, g_getenv("PATH"));
    g_setenv("PATH", path, TRUE);
    signal(SIGPIPE, SIG_IGN); /* as host_xen_new() does */

    g_test_add_func("/dryrun/given", test_given);
    g_test_add_func("/dryrun/status", test_status);
    g_test_add_func("/dryrun/words", test_words);
    g_test_add_func("/dryrun/sxp", test_sxp);
    g_test_add_func("/dryrun/endless", test_endless);
    g_test_add_func("/dryrun/inherited", test_inherited);
    g_test_add_func("/dryrun/missing", test_missing);
    int status = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return status;
}
