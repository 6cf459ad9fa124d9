// nearest.h.  Swapped neighbours count as one mistake.

#include "base/nearest.h"

#include <string.h>

enum { NAME_MOST = 64 }; // longer ones are far from everything: the cost stays bounded whatever a client sends

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Three rows of the usual table: a swap looks two rows back.
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NAME_MOST + 1];
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

size_t edit_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len > NAME_MOST || b_len > NAME_MOST)
		return strcmp(a, b) == 0 ? 0 : (a_len > b_len ? a_len : b_len);
	return distance(a, a_len, b, b_len);
}

const char *nearest_name(const char *wanted, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	size_t far = strlen(wanted) / 3 + 1; // one mistake in the shortest names, more in long ones
	size_t best = least(far, 3) + 1;
	for (size_t i = 0; i < count; i++) {
		size_t d = edit_distance(wanted, names[i]);
		if (d < best && d < strlen(names[i])) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}
