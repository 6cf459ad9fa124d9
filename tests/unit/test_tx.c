#include "embed.h"
#include "harness.h"
#include <stdlib.h>
static void smoke(void **state)
{
	(void)state;
	struct harness h;
	harness_open(&h, true);
	struct peer *p = peer_open(&h, true);
	const char *lines[] = {
	    "tx.exec []",
	    "tx.exec [[\"t.set\", [a, one]], [\"t.get\", [a]], [\"t.push\", [q, x]], [\"t.pop\", [q]], [\"t.pop\", "
	    "[q], {wait_ms: 1000}]]",
	    "t.get a",
	    "tx.exec [[\"t.set\", [a, two]], [\"t.fail\", [b, -2]]]",
	    "t.get a ; t.get b",
	    "tx.exec [[\"t.set\", [a, two]], [\"t.fail\", [b, -2]], [\"t.get\", [b]]] --on-error=continue",
	    "t.get a ; t.get b",
	    "tx.exec [[\"t.set\", [a, two]]] --if=[[a, 1]]",
	    "tx.exec [[\"t.set\", [a, two]]] --if=[[a, null], [b, 0]]",
	    "tx.exec [[\"t.set\", [a, two]]] --if=[[a]]",
	    "tx.exec [[\"t.set\", [a, two]]] --if=[[[a], 1]]",
	    "tx.exec [[\"t.ste\", [a, two]]]",
	    "tx.exec [[\"t.set\", [a]]]",
	    "tx.exec [3]",
	    "tx.exec [[\"t.set\", [a, 3]]]",
	    "tx.exec [[\"t.wander\", []]]",
	    "tx.exec [[\"tx.exec\", [[]]]]",
	    "t.push m n ; tx.exec [[\"t.push\", [m, o]], [\"t.move\", [m]], [\"t.move\", [m]], [\"t.pop\", [n]]] ; "
	    "t.pop o ; t.pop n",
	    "tx.exec [[\"t.restless\", [m]]]",
	    "tx.exec [[\"t.silent\", [m]]]",
	    "tx.exec [[\"t.feign\", [m]]]",
	    "tx.exec [[\"t.sleep\", []]]",
	    "tx.exec [[\"t.set\", [a, two], {ns: nope}]]",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *got = peer_send(p, lines[i]);
		print_message("%s\n    %s\n", lines[i], got);
		free(got);
	}
	peer_close(p);
	harness_close(&h);
}
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(smoke)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
