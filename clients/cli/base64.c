// Base64 with padding, as in RFC 4648.

#include <stdlib.h>
#include <string.h>

#include "value.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	char *text = malloc((len + 2) / 3 * 4 + 1);
	if (text == NULL)
		return NULL;
	char *out = text;
	for (size_t i = 0; i < len; i += 3) {
		unsigned word = (unsigned)in[i] << 16;
		word |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
		word |= i + 2 < len ? in[i + 2] : 0;
		*out++ = digits[word >> 18];
		*out++ = digits[word >> 12 & 63];
		*out++ = i + 1 < len ? digits[word >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[word & 63] : '=';
	}
	*out = 0;
	return text;
}

// The word of four characters, `count` of them digits; false: not base64.
static bool decode_four(const char *text, unsigned *word, unsigned *count)
{
	*word = *count = 0;
	for (unsigned i = 0; i < 4; i++) {
		const char *digit = text[i] == '=' ? NULL : strchr(digits, text[i]);
		if (digit == NULL && (text[i] != '=' || i < 2))
			return false;
		if (digit != NULL && *count < i)
			return false;
		*word = *word << 6 | (digit != NULL ? (unsigned)(digit - digits) : 0);
		*count += digit != NULL;
	}
	return true;
}

unsigned char *base64_decode(const char *text, size_t *len)
{
	size_t text_len = strlen(text);
	unsigned char *bytes = text_len % 4 == 0 ? malloc(text_len / 4 * 3 + 1) : NULL;
	*len = 0;
	for (size_t i = 0; bytes != NULL && i < text_len; i += 4) {
		unsigned word, count;
		if (!decode_four(text + i, &word, &count) || (count < 4 && i + 4 < text_len)) {
			free(bytes);
			return NULL;
		}
		for (unsigned k = 0; k + 1 < count; k++)
			bytes[(*len)++] = (unsigned char)(word >> (16 - 8 * k));
	}
	return bytes;
}
