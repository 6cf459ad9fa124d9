// What a description points to, looked at before anything there is read: see check.h.
//
// A list or text that is not where it should be is no wonder in a module whose structs were written down by hand in another
// language.  To read there would be the broker's end, so the kernel is asked first.

#include "module/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

// Pages are multiples of it; all of one can be read or none of it.
enum { GRAIN = 4096 };

// A system call that reads 8 bytes and then always fails, for there is no such way to change a signal mask: of what it
// can't read it says so, instead of dying of it.
static bool grain_readable(uintptr_t at)
{
	syscall(SYS_rt_sigprocmask, ~0, at & ~(uintptr_t)7, NULL, (size_t)8);
	return errno != EFAULT;
}

static bool readable(const void *ptr, size_t len)
{
	uintptr_t first = (uintptr_t)ptr, last = first + len - 1;
	if (first < GRAIN || last < first)
		return false; // page 0 is never there; the call would take its address for none
	for (uintptr_t at = first / GRAIN; at <= last / GRAIN; at++)
		if (!grain_readable(at * GRAIN))
			return false;
	return true;
}

static const char *text_fault(const char *text)
{
	size_t len = 0;
	do {
		if ((len == 0 || (uintptr_t)(text + len) % GRAIN == 0) && !readable(text + len, 1))
			return "reaches where nothing can be read";
		if (len > MODULE_TEXT_MOST)
			return "is longer than 4096 bytes";
	} while (text[len++] != 0);
	if (!text_is_utf8((wherry_span){text, len - 1}))
		return "is not UTF-8";
	for (const char *at = text; *at != 0; at++)
		if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f)
			return "has a control character";
	return NULL;
}

const char *check_target(const void *row, const struct check_target *target)
{
	const char *ptr;
	memcpy(&ptr, (const char *)row + target->at, sizeof(ptr));
	if (ptr == NULL)
		return NULL; // whether it may be is another question
	if (target->is_text)
		return text_fault(ptr);
	return readable(ptr, 1) ? NULL : "is where nothing can be read";
}

const char *check_memory(const void *ptr, size_t len)
{
	if ((uintptr_t)ptr % _Alignof(void *) != 0)
		return "is not aligned as pointers are";
	return readable(ptr, len) ? NULL : "reaches where nothing can be read";
}

static bool check_extent(struct checking *c, const char *of, const struct check_row *row, const struct check_list *list)
{
	if (list->count > row->most)
		return check_refuse(c, "%s%u %ss: at most %u", of, list->count, row->what, row->most);
	if (list->first == NULL)
		return check_refuse(c, "%sthe list of %ss is NULL, but its count is %u", of, row->what, list->count);
	if (list->stride < row->least || list->stride % _Alignof(void *) != 0)
		return check_refuse(c, "%sthe stride of the %ss is %u: it must be a multiple of %zu, at least %zu", of,
		    row->what, list->stride, _Alignof(void *), row->least);
	const char *fault = check_memory(list->first, (size_t)list->count * list->stride);
	return fault == NULL || check_refuse(c, "%sthe list of %u %ss %s", of, list->count, row->what, fault);
}

bool check_list(struct checking *c, const char *of, const struct check_row *row, const struct check_list *list)
{
	if (list->count == 0)
		return true;
	if (!check_extent(c, of, row, list))
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		const void *at = MODULE_AT(list->first, list->stride, i);
		uint32_t size = *(const uint32_t *)at;
		if (size < row->least || size > list->stride)
			return check_refuse(c, "%s%s %u: its size is %u, between %zu and the stride %u is right", of,
			    row->what, i + 1, size, row->least, list->stride);
		for (const struct check_target *target = row->targets; target->name != NULL; target++) {
			const char *fault = check_target(at, target);
			if (fault != NULL)
				return check_refuse(c, "%s%s %u: its %s %s", of, row->what, i + 1, target->name, fault);
		}
	}
	return true;
}
