/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once over each file of the directory given: the corpus as a test. */
#include <glib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    guint n = 0;

    if (directory == NULL)
        g_error("usage: %s DIRECTORY: %s", argv[0], error != NULL ? error->message : "");
    for (const char *name; (name = g_dir_read_name(directory)) != NULL; n++) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *text = NULL;
        gsize length;
        if (!g_file_get_contents(path, &text, &length, &error))
            g_error("%s", error->message);
        LLVMFuzzerTestOneInput((unsigned char *)text, length);
        g_print("ok %u - %s\n", n + 1, name);
    }
    g_print("1..%u\n", n);
    return n > 0 ? 0 : 1;
}
