// wherry module: begins a module (new: a folder that builds and tests), and has the broker's program check one (check).
// Neither needs a broker that runs.

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "skeleton.h"

enum { NAME_MOST = 32, WORD_LEN = sizeof("skeleton") - 1 };

const char module_help[] =
    "new NAME [--dir DIR]\n"
    "writes the folder NAME, in DIR or here: a small module with a key type, two commands, an\n"
    "option and a metric, what builds it, and a test.  Its README.md says how to go on.  NAME is\n"
    "[a-z][a-z0-9_]{0,31}; a folder that is there already stays as it is.\n"
    "\n"
    "check FILE.so [--seed N] [--seconds N] [--admin]\n"
    "runs the module for trial, in processes of their own: all orders of loading and unloading,\n"
    "arguments that nobody expects, undo after each change, replay, leaks.  Exit status 0: nothing\n"
    "was found; 1: something was.  It runs the module's code: check only what you would load.\n"
    "\n"
    "  --dir DIR       new: where the folder is made\n"
    "  --seed N        check: the same N tries the same things again\n"
    "  --seconds N     check: how long arguments are tried\n"
    "  --admin         check: try admin commands, too\n"
    "\n"
    "Examples:\n"
    "  wherry module new visits\n";

// --- new -------------------------------------------------------------------------------------------------------------

static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return islower((unsigned char)name[0]) && name[len] == 0 && len <= NAME_MOST;
}

// `text` with the module's name for each "skeleton".
static void put_renamed(FILE *out, const char *text, size_t len, const char *name)
{
	for (const char *end = text + len; text < end;) {
		const char *word = memmem(text, (size_t)(end - text), "skeleton", WORD_LEN);
		fwrite(text, 1, (size_t)((word != NULL ? word : end) - text), out);
		if (word != NULL)
			fputs(name, out);
		text = word != NULL ? word + WORD_LEN : end;
	}
}

static char *path_of(const char *dir, const char *file, const char *name)
{
	char *path = NULL;
	size_t len;
	FILE *out = open_memstream(&path, &len);
	if (out == NULL)
		return NULL;
	fprintf(out, "%s/", dir);
	put_renamed(out, file, strlen(file), name);
	if (fclose(out) == 0)
		return path;
	free(path);
	return NULL;
}

static bool write_file(const char *path, const struct skeleton_file *file, const char *name)
{
	FILE *out = fopen(path, "wx");
	if (out == NULL)
		return false;
	put_renamed(out, (const char *)file->text, file->len, name);
	bool done = ferror(out) == 0;
	done = fclose(out) == 0 && done;
	bool script = file->len > 2 && memcmp(file->text, "#!", 2) == 0;
	struct stat st;
	return done && (!script || (stat(path, &st) == 0 && chmod(path, st.st_mode | (st.st_mode & 0444) >> 2) == 0));
}

static void take_back(const char *dir, const struct skeleton_file *file, const char *name)
{
	while (file-- != skeleton_files) {
		char *path = path_of(dir, file->name, name);
		if (path != NULL)
			unlink(path);
		free(path);
	}
	rmdir(dir);
}

static int write_files(const char *dir, const char *name)
{
	for (const struct skeleton_file *file = skeleton_files; file->name != NULL; file++) {
		char *path = path_of(dir, file->name, name);
		bool done = path != NULL && write_file(path, file, name);
		int failure = errno;
		if (!done && path != NULL)
			unlink(path);
		if (!done) {
			take_back(dir, file, name);
			fail(EXIT_ERROR, "%s: %s", path != NULL ? path : dir, strerror(failure));
		}
		free(path);
		if (!done)
			return EXIT_ERROR;
	}
	printf("%s is there. In it:\n"
	       "  cmake -B build && cmake --build build\n"
	       "  ctest --test-dir build --output-on-failure\n"
	       "  wherryd -m $PWD/build/%s.so\n",
	    dir, name);
	return finished(EXIT_SUCCESS);
}

static int make(const char *name, const char *where)
{
	char dir[PATH_MAX];
	if (!is_name(name))
		return wrong("\"%s\" is no module's name: it must be [a-z][a-z0-9_]{0,31}", name);
	int len =
	    where == NULL ? snprintf(dir, sizeof(dir), "%s", name) : snprintf(dir, sizeof(dir), "%s/%s", where, name);
	if (len < 0 || (size_t)len >= sizeof(dir))
		return wrong("the path of --dir is too long");
	if (mkdir(dir, 0777) == 0)
		return write_files(dir, name);
	if (errno == EEXIST)
		return fail(EXIT_ERROR, "%s is there already: it stays as it is", dir);
	return fail(EXIT_ERROR, "%s: %s", dir, strerror(errno));
}

static int run_new(int argc, char **argv)
{
	const char *name = NULL, *where = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
			where = argv[++i];
		else if (strncmp(argv[i], "--dir=", 6) == 0)
			where = argv[i] + 6;
		else if (argv[i][0] == '-')
			return wrong("module new takes --dir DIR, not %s", argv[i]);
		else if (name != NULL)
			return wrong("module new takes one name, and then there is \"%s\"", argv[i]);
		else
			name = argv[i];
	}
	if (where != NULL && where[0] == 0)
		return wrong("--dir is empty");
	return name != NULL ? make(name, where) : wrong("module new needs a name");
}

// --- check -----------------------------------------------------------------------------------------------------------

// The wherryd that came with this program; else whichever PATH names.
static void find_wherryd(char path[static PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - sizeof("wherryd"));
	char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
	if (slash != NULL) {
		strcpy(slash + 1, "wherryd");
		if (access(path, X_OK) == 0)
			return;
	}
	strcpy(path, "wherryd");
}

static int check(char **words)
{
	char program[PATH_MAX];
	find_wherryd(program);
	words[0] = program;
	execvp(program, words);
	if (errno == ENOENT)
		return fail(EXIT_ERROR, "no wherryd beside this program, nor in PATH: it does the checking");
	return fail(EXIT_ERROR, "%s: %s", program, strerror(errno));
}

// `--name VALUE` or `--name=VALUE`.
static bool is_valued(const char *word, const char *name)
{
	size_t len = strlen(name);
	return strncmp(word, name, len) == 0 && (word[len] == 0 || word[len] == '=');
}

static int run_check(int argc, char **argv)
{
	static char conformance[] = "--conformance";
	char *words[10] = {NULL, conformance, NULL}; // [2]: the file
	size_t count = 3;
	for (int i = 1; i < argc; i++) {
		bool valued = is_valued(argv[i], "--seed") || is_valued(argv[i], "--seconds");
		bool flag = valued || strcmp(argv[i], "--admin") == 0;
		bool value_follows = valued && strchr(argv[i], '=') == NULL;
		if (argv[i][0] == '-' && (!flag || (value_follows && i + 1 == argc)))
			return wrong("module check takes --seed N, --seconds N and --admin, not %s", argv[i]);
		if (flag && count + 2 >= sizeof(words) / sizeof(words[0]))
			return wrong("%s is given too often", argv[i]);
		if (!flag && words[2] != NULL)
			return wrong("module check takes one file, and then there is \"%s\"", argv[i]);
		words[flag ? count++ : 2] = argv[i];
		if (value_follows)
			words[count++] = argv[++i];
	}
	return words[2] != NULL ? check(words) : wrong("module check needs a file");
}

// ---------------------------------------------------------------------------------------------------------------------

int run_module(const struct settings *s, int argc, char **argv)
{
	(void)s;
	if (argc < 2)
		return wrong("module needs to know what: new NAME, or check FILE.so");
	if (strcmp(argv[1], "new") == 0)
		return run_new(argc - 1, argv + 1);
	if (strcmp(argv[1], "check") == 0)
		return run_check(argc - 1, argv + 1);
	static const char *const commands[] = {"load", "unload", "reload", "list", "show"};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i]) == 0)
			return wrong("module has no \"%s\"; the broker has module.%s", argv[1], argv[1]);
	return wrong("module has no \"%s\"; it has new NAME and check FILE.so", argv[1]);
}
