/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of an image being written, on file systems with and without nameless files. */
#include "image-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define UUID "c0c0c0c0-0000-4000-8000-00000000000a"
#define OTHER "c0c0c0c0-0000-4000-8000-00000000000b"

static char *directory;
static char *path;

static char *unfinished_of(const char *uuid)
{
    return g_strdup_printf("%s/.shop.img.domgrp-UNFINISHED-%s", directory, uuid);
}

static guint entries(void)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static ImageFile *create(gboolean nameless)
{
    g_autoptr(GError) error = NULL;
    ImageFile *file = NULL;
    image_file_create(path, UUID, nameless, &file, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(image_file_fd(file), "memory", 6), ==, 6);
    return file;
}

static void assert_file_error(gboolean good, GError **error, const char *words)
{
    g_assert_false(good);
    g_assert_error(*error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_assert_nonnull(strstr((*error)->message, words));
    g_clear_error(error);
}

static gboolean remove_image(const char *uuid, gboolean (*is_it)(int fd, const char *uuid))
{
    g_autoptr(GError) error = NULL;
    gboolean good = image_file_remove(path, uuid, is_it, &error);
    g_assert_no_error(error);
    return good;
}

static gboolean is_ours(int fd, const char *uuid)
{
    char text[7] = "";
    return strcmp(uuid, UUID) == 0 && read(fd, text, 6) == 6 && strcmp(text, "memory") == 0;
}

static void test_finish(gconstpointer nameless)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *unfinished = unfinished_of(UUID);
    ImageFile *file = create(nameless != NULL);

    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_file_test(unfinished, G_FILE_TEST_EXISTS), ==, nameless == NULL);
    image_file_finish(file, &error);
    g_assert_no_error(error);
    image_file_free(file);
    g_assert_cmpuint(entries(), ==, 1);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "memory");
    g_unlink(path);
}

static void test_given_up(gconstpointer nameless)
{
    image_file_free(create(nameless != NULL));
    g_assert_cmpuint(entries(), ==, 0);
}

static void test_taken(gconstpointer nameless)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    ImageFile *file = create(nameless != NULL);
    ImageFile *second = NULL;

    g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
    assert_file_error(image_file_finish(file, &error), &error, "File exists; remove it");
    image_file_free(file);
    assert_file_error(image_file_create(path, UUID, nameless != NULL, &second, &error), &error,
                      "File exists");
    g_assert_cmpuint(entries(), ==, 1);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "mine");
    g_unlink(path);
}

static void test_nowhere(void)
{
    g_autofree char *missing = g_build_filename(directory, "no", "shop.img", NULL);
    g_autofree char *long_name = g_strnfill(300, 'x');
    g_autofree char *too_long = g_build_filename(directory, long_name, NULL);
    g_autoptr(GError) error = NULL;
    ImageFile *file = NULL;

    assert_file_error(image_file_create(missing, UUID, TRUE, &file, &error), &error, missing);
    assert_file_error(image_file_create(too_long, UUID, TRUE, &file, &error), &error, "too long");
    g_assert_true(image_file_remove(missing, UUID, is_ours, NULL));
    g_assert_cmpuint(entries(), ==, 0);
}

/* What a process that died left, and a name that hardly fits. */
static void test_remove_unfinished(void)
{
    g_autofree char *long_name = g_strnfill(255, 'x');
    g_autofree char *long_path = g_build_filename(directory, long_name, NULL);
    g_autofree char *unfinished = unfinished_of(UUID);
    g_autofree char *other = unfinished_of(OTHER);
    g_autoptr(GError) error = NULL;
    ImageFile *file = NULL;

    g_assert_true(g_file_set_contents(unfinished, "half", -1, NULL));
    g_assert_true(g_file_set_contents(other, "half", -1, NULL));
    g_assert_true(remove_image(UUID, is_ours));
    g_assert_false(g_file_test(unfinished, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
    g_unlink(other);

    image_file_create(long_path, UUID, FALSE, &file, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries(), ==, 1);
    g_assert_true(image_file_remove(long_path, UUID, is_ours, NULL));
    g_assert_cmpuint(entries(), ==, 0);
    image_file_free(file);
}

static void test_remove(void)
{
    ImageFile *file = create(TRUE);
    g_assert_true(image_file_finish(file, NULL));
    image_file_free(file);
    g_assert_true(remove_image(OTHER, is_ours)); /* another one */
    g_assert_cmpuint(entries(), ==, 1);
    g_assert_true(remove_image(UUID, is_ours));
    g_assert_true(remove_image(UUID, is_ours));
    g_assert_cmpuint(entries(), ==, 0);

    g_assert_cmpint(symlink("/etc/passwd", path), ==, 0); /* is no image, whatever it leads to */
    g_assert_true(remove_image(UUID, is_ours));
    g_assert_cmpuint(entries(), ==, 1);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("image-file-XXXXXX", NULL);
    path = g_build_filename(directory, "shop.img", NULL);
    for (gsize nameless = 0; nameless < 2; nameless++) {
        const char *how = nameless ? "nameless" : "named";
        g_autofree char *finish = g_strdup_printf("/image-file/%s/finish", how);
        g_autofree char *given_up = g_strdup_printf("/image-file/%s/given-up", how);
        g_autofree char *taken = g_strdup_printf("/image-file/%s/taken", how);
        g_test_add_data_func(finish, GSIZE_TO_POINTER(nameless), test_finish);
        g_test_add_data_func(given_up, GSIZE_TO_POINTER(nameless), test_given_up);
        g_test_add_data_func(taken, GSIZE_TO_POINTER(nameless), test_taken);
    }
    g_test_add_func("/image-file/nowhere", test_nowhere);
    g_test_add_func("/image-file/remove", test_remove);
    g_test_add_func("/image-file/remove-unfinished", test_remove_unfinished);
    int result = g_test_run();
    g_rmdir(directory);
    g_free(path);
    g_free(directory);
    return result;
}
