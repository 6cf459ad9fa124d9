// The crash report: crash.h.  All that the handler calls is safe in a signal handler, but for the names of functions at
// its very end.  What is most certain to work comes first, so that a second fault loses the least.
//
// Threads: the handler runs on the one that crashed, on a stack of its own; of several that crash, the first reports and
// the others wait for the end.

#include "crash.h"

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/thread.h"
#include "crash_text.h"
#include "module/checked.h"
#include "module/roster.h"
#include "run/router.h"
#include "wherry/broker.h"

enum { STACK_BYTES = 128 * 1024, FRAMES_MOST = 4096, LINES_MOST = 64, REPORT_S = 5, BUILD_ID_MOST = 20 };

static const struct {
	int number;
	const char *name;
} crashes[] = {
    {SIGSEGV, "SIGSEGV"},
    {SIGBUS, "SIGBUS"},
    {SIGILL, "SIGILL"},
    {SIGFPE, "SIGFPE"},
    {SIGABRT, "SIGABRT"},
};
enum { CRASHES = sizeof(crashes) / sizeof(crashes[0]) };

// Written by crash_install(), then only read; but log_fd and reporting.
static struct {
	struct timespec installed;
	uintptr_t from, to; // where the program is mapped
	uint8_t build_id[BUILD_ID_MOST];
	size_t build_id_len;
	pthread_key_t stack;
	_Atomic int log_fd, reporting; // the signal that is being reported; 0: none
} own = {.log_fd = -1};

static const char *name_of(int number)
{
	for (unsigned i = 0; i < CRASHES; i++)
		if (crashes[i].number == number)
			return crashes[i].name;
	return "a signal";
}

static void *pc_of(const void *context)
{
	const ucontext_t *c = context;
#if defined(__x86_64__)
	return (void *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (void *)(uintptr_t)c->uc_mcontext.pc;
#else
	(void)c;
	return NULL;
#endif
}

// --- what is said -----------------------------------------------------------------------------------------------------

static const char *cause_of(const siginfo_t *info)
{
	if (info->si_code <= 0)
		return NULL;
	switch (info->si_signo) {
	case SIGSEGV:
		return info->si_code == SEGV_MAPERR ? "nothing is mapped there" : "it may not be accessed so";
	case SIGBUS:
		return info->si_code == BUS_ADRALN ? "not aligned" : "no memory behind it";
	case SIGFPE:
		return info->si_code == FPE_INTDIV ? "division by zero" : "arithmetic";
	default:
		return NULL;
	}
}

static void say_what(struct crash_text *t, const siginfo_t *info, const void *pc)
{
	crash_add(t, "crash: ");
	crash_add(t, name_of(info->si_signo));
	if (info->si_code > 0 && info->si_signo != SIGABRT) {
		crash_add(t, " at address ");
		crash_hex(t, (uintptr_t)info->si_addr);
	} else if (info->si_code <= 0 && info->si_pid != getpid()) {
		crash_add(t, " sent by process ");
		crash_number(t, (uint64_t)info->si_pid);
	}
	if (cause_of(info) != NULL) {
		crash_add(t, ": ");
		crash_add(t, cause_of(info));
	}
	crash_add(t, ", in code at ");
	crash_hex(t, (uintptr_t)pc);
	crash_end(t);
}

// Of a module that is checked.
static void say_lent(struct crash_text *t, const siginfo_t *info)
{
	const char *lent_to = info->si_code > 0 ? checked_lent_to(info->si_addr) : NULL;
	if (lent_to == NULL)
		return;
	crash_add(t, "crash: this memory had been lent to ");
	crash_add(t, lent_to);
	crash_add(t, ", until that returned");
	crash_end(t);
}

static void say_build(struct crash_text *t)
{
	char byte[3] = "";
	crash_add(t, "crash: wherryd ");
	crash_add(t, wherry_version());
	crash_add(t, ", build ");
	for (size_t i = 0; i < own.build_id_len; i++) {
		byte[0] = "0123456789abcdef"[own.build_id[i] >> 4];
		byte[1] = "0123456789abcdef"[own.build_id[i] & 15];
		crash_add(t, byte);
	}
	crash_add(t, own.build_id_len == 0 ? "unknown" : NULL);
	crash_end(t);
}

static void say_where(struct crash_text *t)
{
	char name[17] = "";
	struct timespec now = own.installed;
	clock_gettime(CLOCK_MONOTONIC, &now);
	prctl(PR_GET_NAME, name);
	crash_add(t, "crash: process ");
	crash_number(t, (uint64_t)getpid());
	crash_add(t, ", up ");
	crash_number(t, (uint64_t)(now.tv_sec - own.installed.tv_sec));
	crash_add(t, " s, thread ");
	crash_number(t, (uint64_t)gettid());
	crash_add(t, " \"");
	crash_add(t, name);
	crash_add(t, "\"");
	crash_end(t);
}

static void add_module(struct crash_text *t, const struct roster_row *row)
{
	crash_add(t, row->name);
	crash_add(t, " ");
	crash_add(t, row->version);
}

static const struct roster_row *loaded_by_name(const char *name)
{
	for (unsigned i = 0; i < ROSTER_MOST; i++) {
		const struct roster_row *row = roster_at(i);
		if (row != NULL && atomic_load(&row->state) == ROSTER_LOADED && strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

static void say_command(struct crash_text *t)
{
	const struct command *c = router_running();
	crash_add(t, "crash: ");
	if (c == NULL) {
		crash_add(t, "no command was running on this thread");
		crash_end(t);
		return;
	}
	const struct roster_row *row = roster_of((const void *)(uintptr_t)c->run);
	row = row != NULL ? row : loaded_by_name(c->owner->module);
	crash_add(t, "command ");
	crash_add(t, c->name);
	crash_add(t, row != NULL ? " of module " : ", built in");
	if (row != NULL)
		add_module(t, row);
	crash_end(t);
}

// Pages, of /proc/self/statm: the second number.
static uint64_t resident_pages(void)
{
	char text[128];
	uint64_t pages = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = 0;
	const char *at = strchr(text, ' ');
	for (at = at != NULL ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
		pages = pages * 10 + (uint64_t)(*at - '0');
	return pages;
}

static void say_memory(struct crash_text *t)
{
	crash_add(t, "crash: memory ");
	crash_number(t, resident_pages() * (uint64_t)sysconf(_SC_PAGESIZE) / 1024);
	crash_add(t, " KiB resident");
	crash_end(t);
}

static void say_module(struct crash_text *t, const struct roster_row *row)
{
	crash_add(t, "crash: module ");
	add_module(t, row);
	crash_add(t, atomic_load(&row->state) == ROSTER_LOADED ? ", loaded" : ", unloaded, its code still mapped");
	crash_add(t, " at ");
	crash_hex(t, row->from);
	crash_add(t, " to ");
	crash_hex(t, row->to);
	crash_add(t, ", reloads ");
	crash_number(t, row->reloads);
	crash_add(t, ", ");
	crash_add(t, row->path);
	crash_end(t);
}

static void say_frame(struct crash_text *t, unsigned number, const void *frame)
{
	const struct roster_row *row = roster_of(frame);
	uintptr_t at = (uintptr_t)frame;
	crash_add(t, "crash: #");
	crash_number(t, number);
	crash_add(t, " ");
	crash_hex(t, at);
	if (row != NULL || (at >= own.from && at < own.to)) {
		crash_add(t, " ");
		crash_add(t, row != NULL ? row->name : "wherryd");
		crash_add(t, " ");
		crash_add(t, row != NULL ? row->version : wherry_version());
		crash_add(t, " + ");
		crash_hex(t, at - (row != NULL ? row->from : own.from));
	}
	crash_end(t);
}

// --- the handler ------------------------------------------------------------------------------------------------------

static void unblock(int number)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void end_by(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

// Looking up names takes locks; one that is held for ever must not keep the process.  The handler is in the way of the
// signal, and does not return any more.
static void out_of_time(int alarm)
{
	int number = atomic_load(&own.reporting);
	(void)alarm;
	end_by(number);
	unblock(number);
}

static void start_clock(void)
{
	signal(SIGALRM, out_of_time);
	unblock(SIGALRM);
	alarm(REPORT_S);
}

// The handler's own frames are left out, if the place of the fault can be found among them; and of a recursion, which may
// be deep, all but one.  Answers how many are left.
static int keep_frames(void **frames, int count, const void *pc)
{
	int first = 0, kept = 0;
	while (first < count && frames[first] != pc)
		first++;
	for (int i = first == count ? 0 : first; i < count && kept < LINES_MOST; i++)
		if (kept == 0 || frames[i] != frames[kept - 1])
			frames[kept++] = frames[i];
	return kept;
}

static void say_frames(struct crash_text *t, const void *pc)
{
	void *frames[FRAMES_MOST];
	int met = backtrace(frames, FRAMES_MOST), kept = keep_frames(frames, met, pc);
	for (int i = 0; i < kept; i++)
		say_frame(t, (unsigned)i, frames[i]);
	crash_add(t, "crash: ");
	crash_number(t, (uint64_t)met);
	crash_add(t, met == FRAMES_MOST ? " frames or more" : " frames");
	crash_add(t, ", those that come again left out; their names, where there are any:");
	crash_end(t);
	for (int i = 0; i < 2; i++)
		if (t->fds[i] >= 0)
			backtrace_symbols_fd(frames, kept, t->fds[i]);
}

static void report(const siginfo_t *info, const void *context)
{
	int log_fd = atomic_load(&own.log_fd);
	struct crash_text t = {.fds = {log_fd == STDERR_FILENO ? -1 : log_fd, STDERR_FILENO}};
	const void *pc = pc_of(context);
	start_clock();
	say_what(&t, info, pc);
	say_lent(&t, info);
	say_build(&t);
	say_where(&t);
	say_command(&t);
	say_memory(&t);
	for (unsigned i = 0; i < ROSTER_MOST; i++)
		if (roster_at(i) != NULL)
			say_module(&t, roster_at(i));
	say_frames(&t, pc);
	crash_add(&t, "crash: end of the report; please send it, and the core if there is one");
	crash_end(&t);
}

// The signal comes again when the handler returns, and then as if there were none: the core shows the place of the fault.
static void on_crash(int number, siginfo_t *info, void *context)
{
	int none = 0;
	for (; !atomic_compare_exchange_strong(&own.reporting, &none, number); none = 0)
		pause();
	report(info, context);
	end_by(number);
}

// --- being ready ------------------------------------------------------------------------------------------------------

static void drop_stack(void *stack)
{
	stack_t none = {.ss_flags = SS_DISABLE};
	sigaltstack(&none, NULL);
	munmap(stack, STACK_BYTES);
}

// An overflow of the thread's own stack leaves no room for a handler.
static void give_stack(void)
{
	stack_t now;
	if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
		return;
	void *memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	stack_t fresh = {.ss_sp = memory, .ss_size = STACK_BYTES};
	if (sigaltstack(&fresh, NULL) != 0 || pthread_setspecific(own.stack, memory) != 0)
		drop_stack(memory);
}

// Threads begin with all signals blocked, and a fault that is blocked ends the process without a word.
static void prepare_thread(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < CRASHES; i++)
		sigaddset(&set, crashes[i].number);
	give_stack();
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void read_note(const struct dl_phdr_info *object, const ElfW(Phdr) * part)
{
	const char *at = (const char *)(uintptr_t)(object->dlpi_addr + part->p_vaddr), *end = at + part->p_memsz;
	while (at + sizeof(ElfW(Nhdr)) <= end) {
		ElfW(Nhdr) note;
		memcpy(&note, at, sizeof(note));
		const char *id = at + sizeof(note) + ((note.n_namesz + 3) & ~3u);
		at = id + ((note.n_descsz + 3) & ~3u);
		if (note.n_type != NT_GNU_BUILD_ID || note.n_descsz > BUILD_ID_MOST || at > end)
			continue;
		own.build_id_len = note.n_descsz;
		memcpy(own.build_id, id, note.n_descsz);
	}
}

// The program comes first.
static int read_program(struct dl_phdr_info *object, size_t size, void *arg)
{
	(void)size, (void)arg;
	own.from = object->dlpi_addr;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
		if (part->p_type == PT_LOAD && end > own.to)
			own.to = end;
		if (part->p_type == PT_NOTE)
			read_note(object, part);
	}
	return 1;
}

void crash_log_to(int fd)
{
	atomic_store(&own.log_fd, fd);
}

void crash_install(void)
{
	void *frame;
	struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	backtrace(&frame, 1); // loads what it needs, which a handler must not
	clock_gettime(CLOCK_MONOTONIC, &own.installed);
	dl_iterate_phdr(read_program, NULL);
	sigemptyset(&action.sa_mask);
	for (unsigned i = 0; i < CRASHES; i++)
		sigaddset(&action.sa_mask, crashes[i].number);
	for (unsigned i = 0; i < CRASHES; i++)
		sigaction(crashes[i].number, &action, NULL);
	if (pthread_key_create(&own.stack, drop_stack) == 0)
		thread_met = prepare_thread;
	prepare_thread();
}
