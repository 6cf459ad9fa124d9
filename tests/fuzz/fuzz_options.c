// Option texts of any bytes: what option_parse() takes is printed, read again and is the same; what it
// refuses is told in a sentence.  The first byte picks the kind.

#include <stdlib.h>

#include "base/mem.h"
#include "base/options.h"
#include "base/text.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read_again(const struct option_spec *spec, const struct option_value *value)
{
	struct option_value again = {.number = -1};
	struct buffer first = {0}, second = {0};
	char why[100];
	option_print(spec, value, &first);
	buffer_byte(&first, 0);
	REQUIRE(option_parse(spec, (const char *)first.data, &again, why, sizeof(why)) == WHERRY_OK);
	REQUIRE(spec->kind == WHERRY_OPTION_TEXT || again.number == value->number);
	option_print(spec, &again, &second);
	buffer_byte(&second, 0);
	REQUIRE(span_equal(buffer_span(&first), buffer_span(&second)));
	mem_free(again.text);
	buffer_free(&first);
	buffer_free(&second);
}

static void guess(const char *text)
{
	static const char *const names[] = {"max_frame", "max_value", "data_dir", "listen"};
	const char *nearest = nearest_name(text, names, 4);
	REQUIRE(nearest == NULL || edit_distance(text, nearest) == edit_distance(nearest, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct option_spec spec = {.name = "limit", .kind = 1 + data[0] % 5u};
	spec.max = data[0] & 0x80 ? 100000 : 0;
	char *text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	char why[100] = "";
	struct option_value value = {.number = -1};
	int status = option_parse(&spec, text, &value, why, sizeof(why));
	REQUIRE(text_is_utf8(span_text(why)));
	REQUIRE((status == WHERRY_OK) == (why[0] == '\0'));
	if (status == WHERRY_OK)
		print_and_read_again(&spec, &value);
	guess(text);
	mem_free(value.text);
	free(text);
	return 0;
}
