// A view as lines, or as one line of JSON.

#include "top.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { CELL = 40, NAME_LEAST = 18, NAME_MOST = 40 };

// --- numbers as text --------------------------------------------------------------------------------------------------

static const char *count_text(double number, char text[CELL])
{
	static const char units[] = " kMGT";
	int unit = 0;
	if (isnan(number))
		return "-";
	for (; number >= 99999.5 && units[unit + 1] != 0; unit++)
		number /= 1000;
	int digits = unit == 0 ? (number < 10 && number != floor(number) ? 1 : 0) : number < 1000 ? 1 : 0;
	snprintf(text, CELL, "%.*f%.*s", digits, number, unit > 0 ? 1 : 0, units + unit);
	return text;
}

static const char *bytes_text(double bytes, char text[CELL])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;
	if (isnan(bytes))
		return "-";
	for (; bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bytes /= 1024;
	snprintf(text, CELL, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes, units[unit]);
	return text;
}

static const char *span_text(double us, char text[CELL])
{
	if (isnan(us))
		return "-";
	double number = us < 1000 ? us : us < 1e6 ? us / 1000 : us / 1e6;
	snprintf(text, CELL, "%.*f %s", number < 10 ? 1 : 0, number, us < 1000 ? "us" : us < 1e6 ? "ms" : "s");
	return text;
}

static const char *uptime_text(double ms, char text[CELL])
{
	if (isnan(ms) || ms < 0)
		return "-";
	unsigned long long s = (unsigned long long)(ms / 1000);
	if (s >= 86400)
		snprintf(text, CELL, "%llu d %02llu:%02llu:%02llu", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
	else
		snprintf(text, CELL, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	return text;
}

// --- lines ------------------------------------------------------------------------------------------------------------

static void put_title(const struct view *v, const struct banner *b, FILE *f)
{
	char up[CELL], clock[CELL] = "", pid[CELL] = "-", url[TOP_NAME * 2];
	time_t now = time(NULL);
	struct tm local;
	if (localtime_r(&now, &local) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	copy_tame(url, sizeof(url), b->url);
	if (!isnan(v->pid))
		snprintf(pid, sizeof(pid), "%.0f", v->pid);
	fprintf(
	    f, "wherryd %s at %s   pid %s   up %s   %s\n", v->version, url, pid, uptime_text(v->uptime_ms, up), clock);
	fprintf(f, "%s\n", b->state); // where a row begins: it is to be seen on any terminal
}

static void put_traffic(const struct view *v, FILE *f)
{
	char t[4][CELL];
	fprintf(f, "requests     %9s /s   errors %9s /s   parked %7s   sessions %6s\n", count_text(v->requests_s, t[0]),
	    count_text(v->errors_s, t[1]), count_text(v->parked, t[2]), count_text(v->sessions, t[3]));
	fprintf(f, "bytes in  %12s /s   out %12s /s   frames in %s /s, out %s /s\n", bytes_text(v->bytes_in_s, t[0]),
	    bytes_text(v->bytes_out_s, t[1]), count_text(v->frames_in_s, t[2]), count_text(v->frames_out_s, t[3]));
	fprintf(f, "connections  %9s      new    %9s /s   slow requests %s /s\n", count_text(v->connections, t[0]),
	    count_text(v->accepted_s, t[1]), count_text(v->slow_s, t[2]));
}

static void put_data(const struct view *v, FILE *f)
{
	char t[5][CELL];
	fprintf(f, "memory    %12s", bytes_text(v->memory, t[0]));
	if (v->memory_limit > 0)
		fprintf(f, " of %s", bytes_text(v->memory_limit, t[1]));
	fprintf(f, "      keys   %9s      changes %s /s, expired %s /s\n", count_text(v->keys, t[2]),
	    count_text(v->commits_s, t[3]), count_text(v->expired_s, t[4]));
	if (v->resident > 0)
		fprintf(f, "process   %12s resident\n", bytes_text(v->resident, t[0]));
	if (v->namespace_count == 0)
		return;
	fputs("namespaces  ", f);
	for (size_t i = 0; i < v->namespace_count; i++)
		fprintf(f, " %s %s%s", v->namespaces[i].name[0] != 0 ? v->namespaces[i].name : "\"\"",
		    count_text(v->namespaces[i].calls, t[0]), i + 1 < v->namespace_count ? "," : "");
	fputc('\n', f);
}

static int name_width(const struct view *v)
{
	size_t width = NAME_LEAST;
	for (size_t i = 0; i < v->command_count; i++)
		if (strlen(v->commands[i].name) > width)
			width = strlen(v->commands[i].name);
	return (int)(width < NAME_MOST ? width : NAME_MOST);
}

static const char *const sort_names[] = {[SORT_RATE] = "calls/s",
    [SORT_ERRORS] = "errors/s",
    [SORT_P50] = "p50",
    [SORT_P99] = "p99",
    [SORT_CALLS] = "calls",
    [SORT_NAME] = "name"};

static void put_row(const struct row *r, int width, FILE *f)
{
	char t[7][CELL];
	fprintf(f, "%-*.*s %9s %9s %9s %9s %9s %10s %9s\n", width, width, r->name, count_text(r->calls_s, t[0]),
	    count_text(r->errors_s, t[1]), span_text(r->p50_us, t[2]), span_text(r->p99_us, t[3]),
	    span_text(r->p999_us, t[4]), count_text(r->calls, t[5]), count_text(r->errors, t[6]));
}

static void put_commands(const struct view *v, size_t room, FILE *f)
{
	int width = name_width(v);
	size_t shown = v->command_count <= room ? v->command_count : room - 1;
	fprintf(f, "%-*s %9s %9s %9s %9s %9s %10s %9s\n", width, "command", "calls/s", "errors/s", "p50", "p99",
	    "p99.9", "calls", "errors");
	for (size_t i = 0; i < shown; i++)
		put_row(&v->commands[i], width, f);
	if (shown < v->command_count)
		fprintf(f, "... and %zu more\n", v->command_count - shown);
}

static void put_keys(const struct banner *b, FILE *f)
{
	fprintf(f, "\nq quit   s sorted by %s   p pause   +/- every %g s\n", sort_names[b->sorting], b->interval);
}

int view_print(const struct view *v, const struct banner *b, int rows, FILE *f)
{
	int head = 7 + (v->resident > 0) + (v->namespace_count > 0);
	int room = rows > 0 ? rows - head - 1 : TOP_ROWS;
	bool foot = b->keys && room >= 4;
	room -= foot ? 2 : 0;
	put_title(v, b, f);
	put_traffic(v, f);
	put_data(v, f);
	fputc('\n', f);
	put_commands(v, (size_t)(room > 1 ? room : 1), f);
	if (foot)
		put_keys(b, f);
	return head;
}

// --- JSON -------------------------------------------------------------------------------------------------------------

static void set_number(json_t *map, const char *name, double number)
{
	bool whole = number == floor(number) && fabs(number) < 0x1p53;
	json_t *value = isnan(number) ? json_null() : whole ? json_integer((json_int_t)number) : json_real(number);
	json_object_set_new(map, name, value);
}

static json_t *json_commands(const struct view *v)
{
	json_t *all = json_object();
	for (size_t i = 0; i < v->command_count; i++) {
		const struct row *r = &v->commands[i];
		json_t *one = json_object();
		set_number(one, "calls_s", r->calls_s);
		set_number(one, "errors_s", r->errors_s);
		set_number(one, "p50_us", r->p50_us);
		set_number(one, "p99_us", r->p99_us);
		set_number(one, "p999_us", r->p999_us);
		set_number(one, "calls", r->calls);
		set_number(one, "errors", r->errors);
		json_object_set_new(all, r->name, one); // refuses what is no UTF-8
	}
	return all;
}

static json_t *json_namespaces(const struct view *v)
{
	json_t *all = json_object();
	for (size_t i = 0; i < v->namespace_count; i++)
		set_number(all, v->namespaces[i].name, v->namespaces[i].calls);
	return all;
}

void view_print_json(const struct view *v, FILE *f)
{
	struct timespec now;
	json_t *all = json_object();
	const struct {
		const char *name;
		double number;
	} numbers[] = {
	    {"seconds", v->seconds},
	    {"uptime_ms", v->uptime_ms},
	    {"requests_s", v->requests_s},
	    {"errors_s", v->errors_s},
	    {"frames_in_s", v->frames_in_s},
	    {"frames_out_s", v->frames_out_s},
	    {"bytes_in_s", v->bytes_in_s},
	    {"bytes_out_s", v->bytes_out_s},
	    {"accepted_s", v->accepted_s},
	    {"commits_s", v->commits_s},
	    {"expired_s", v->expired_s},
	    {"connections", v->connections},
	    {"sessions", v->sessions},
	    {"parked", v->parked},
	    {"keys", v->keys},
	    {"memory", v->memory},
	    {"memory_limit", v->memory_limit},
	    {"resident", v->resident},
	    {"slow_s", v->slow_s},
	};
	clock_gettime(CLOCK_REALTIME, &now);
	json_object_set_new(all, "unix_ms", json_integer(now.tv_sec * 1000 + now.tv_nsec / 1000000));
	json_object_set_new(all, "version", json_string(v->version));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		set_number(all, numbers[i].name, numbers[i].number);
	json_object_set_new(all, "namespaces", json_namespaces(v));
	json_object_set_new(all, "commands", json_commands(v));
	json_dumpf(all, f, JSON_REAL_PRECISION(9));
	fputc('\n', f);
	json_decref(all);
}
