// bloom: a set that may say yes by mistake and never says no by mistake, in a few bits an item.
//
// The bits are in pages, each a record of the key, so that adding an item patches a few bytes and not the whole set, and a
// page that is all zeros is not there.  Built without exceptions: none may cross the ABI, which is C.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <wherry/module.h>

namespace
{

enum { FILTER };                              // types
enum { MAX_BYTES };                           // options
enum { CREATE_KEY, CAPACITY, ERROR_RATE };    // arguments of bloom.create
enum { KEY, ITEM };                           // and of bloom.add, bloom.has

constexpr uint64_t page_bytes = 1024, page_bits = page_bytes * 8, capacity_most = 1000000000;
constexpr uint32_t hashes_most = 32;
constexpr size_t key_most = 4096; // what the broker takes as a key, encoded

struct context {
	const wherry_host *host;
	wherry_owner *owner;
};

// A number in 8 bytes, big-endian, as it is kept.
struct number {
	uint8_t bytes[8];

	explicit number(uint64_t n) noexcept
	{
		for (int i = 0; i < 8; i++)
			bytes[i] = static_cast<uint8_t>(n >> 8 * (7 - i));
	}

	static uint64_t read(const uint8_t *bytes) noexcept
	{
		uint64_t n = 0;
		for (int i = 0; i < 8; i++)
			n = n << 8 | bytes[i];
		return n;
	}

	wherry_span span() const noexcept { return {bytes, sizeof bytes}; }
};

// The head of a key.
struct filter {
	uint64_t bits = 0, hashes = 0, capacity = 0, items = 0;

	static filter of(wherry_span head) noexcept
	{
		const auto *at = static_cast<const uint8_t *>(head.ptr);
		return {number::read(at), number::read(at + 8), number::read(at + 16), number::read(at + 24)};
	}

	int32_t put(const context *c, wherry_call *call) const noexcept
	{
		const number all[] = {number(bits), number(hashes), number(capacity), number(items)};
		static_assert(sizeof all == 32, "the form of the head");
		return c->host->keys->put_head(call, KEY, FILTER, {all, sizeof all});
	}
};

// --- which bits an item has -------------------------------------------------------------------------------------------

// FNV-1a, mixed: kept data depends on it, so it stays as it is.
uint64_t hash(const uint8_t *bytes, size_t len, uint64_t seed) noexcept
{
	uint64_t h = 14695981039346656037u ^ seed;
	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 1099511628211u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

// The i-th bit of an item is at (first + i * step) % bits.
struct places {
	uint64_t first = 0, step = 0;

	// The same item has the same bits however it was encoded: 1 in one byte or in nine.
	int32_t find(const context *c, wherry_call *call) noexcept
	{
		uint8_t buffer[key_most];
		size_t len;
		int32_t status = c->host->read->canonical(&call->args[ITEM], buffer, sizeof buffer, &len);
		if (status != WHERRY_OK)
			return c->host->fail(call, status, "item is longer than 4096 bytes");
		first = hash(buffer, len, 0);
		step = hash(buffer, len, 1) | 1;
		return WHERRY_OK;
	}

	uint64_t bit(const filter &f, uint64_t i) const noexcept { return (first + i * step) % f.bits; }
};

// --- bits in pages ----------------------------------------------------------------------------------------------------

struct bit_place {
	number page;
	uint64_t byte;
	uint8_t mask;

	explicit bit_place(uint64_t bit) noexcept
	    : page(bit / page_bits), byte(bit % page_bits / 8), mask(static_cast<uint8_t>(1u << bit % 8))
	{
	}
};

// *byte is the byte that the bit is in.  OK, or ENOKEY if the whole page is zeros.
int32_t get_byte(const context *c, wherry_call *call, const bit_place &at, uint8_t *byte) noexcept
{
	wherry_span page;
	int32_t status = c->host->keys->get(call, KEY, at.page.span(), &page);
	*byte = status == WHERRY_OK ? static_cast<const uint8_t *>(page.ptr)[at.byte] : uint8_t{0};
	return status;
}

int32_t set_bit(const context *c, wherry_call *call, uint64_t bit, bool *was_new) noexcept
{
	const bit_place at(bit);
	uint8_t byte;
	int32_t status = get_byte(c, call, at, &byte);
	if (status == WHERRY_OK && byte & at.mask)
		return WHERRY_OK;
	*was_new = true;
	byte |= at.mask;
	if (status == WHERRY_OK)
		return c->host->keys->patch(call, KEY, at.page.span(), at.byte, {&byte, 1});
	if (status != WHERRY_ENOKEY)
		return status;
	uint8_t page[page_bytes] = {};
	page[at.byte] = byte;
	return c->host->keys->put(call, KEY, at.page.span(), {page, sizeof page});
}

// --- commands ---------------------------------------------------------------------------------------------------------

int32_t open(const context *c, wherry_call *call, filter *f) noexcept
{
	wherry_key key{};
	key.size = sizeof key;
	int32_t status = c->host->keys->open(call, KEY, FILTER, &key);
	if (status == WHERRY_ENOKEY)
		return c->host->fail(call, status, "no such filter: make it with bloom.create");
	if (status == WHERRY_OK)
		*f = filter::of(key.head);
	return status;
}

int32_t create(void *self, wherry_call *call) noexcept
{
	const auto *c = static_cast<const context *>(self);
	const wherry_value &capacity = call->args[CAPACITY], &rate = call->args[ERROR_RATE];
	const double error_rate = rate.kind == WHERRY_ABSENT ? 0.01 : rate.as.real;
	if (capacity.as.i < 1 || static_cast<uint64_t>(capacity.as.i) > capacity_most)
		return c->host->fail(call, WHERRY_EARG, "capacity must be from 1 to 1000000000");
	if (!(error_rate >= 1e-9 && error_rate <= 0.5))
		return c->host->fail(call, WHERRY_EARG, "error_rate must be from 1e-9 to 0.5");
	wherry_key key{};
	key.size = sizeof key;
	int32_t status = c->host->keys->open(call, CREATE_KEY, FILTER, &key);
	if (status == WHERRY_OK)
		return c->host->fail(call, WHERRY_EEXIST, "there is such a filter: kv.del removes it");
	if (status != WHERRY_ENOKEY)
		return status;
	const double ln2 = std::log(2.0), bits_an_item = -std::log(error_rate) / (ln2 * ln2);
	filter f;
	f.capacity = static_cast<uint64_t>(capacity.as.i);
	f.bits = static_cast<uint64_t>(std::ceil(static_cast<double>(f.capacity) * bits_an_item));
	f.hashes = static_cast<uint64_t>(std::ceil(bits_an_item * ln2));
	f.hashes = f.hashes > hashes_most ? hashes_most : f.hashes;
	wherry_value most;
	status = c->host->option(c->owner, MAX_BYTES, &most);
	if (status != WHERRY_OK)
		return status;
	if (f.bits / 8 > static_cast<uint64_t>(most.as.i))
		return c->host->fail(call, WHERRY_ELIMIT, "a filter like this may get larger than the option bloom.max_bytes");
	c->host->write->uinteger(call->reply, (f.bits + 7) / 8);
	return f.put(c, call);
}

int32_t add(void *self, wherry_call *call) noexcept
{
	const auto *c = static_cast<const context *>(self);
	filter f;
	places at;
	bool was_new = false;
	int32_t status = open(c, call, &f);
	if (status == WHERRY_OK)
		status = at.find(c, call);
	for (uint64_t i = 0; status == WHERRY_OK && i < f.hashes; i++)
		status = set_bit(c, call, at.bit(f, i), &was_new);
	f.items += was_new;
	if (status == WHERRY_OK && was_new)
		status = f.put(c, call);
	if (status == WHERRY_OK)
		c->host->write->boolean(call->reply, was_new);
	return status;
}

int32_t has(void *self, wherry_call *call) noexcept
{
	const auto *c = static_cast<const context *>(self);
	filter f;
	places at;
	bool all = true;
	int32_t status = open(c, call, &f);
	if (status == WHERRY_OK)
		status = at.find(c, call);
	for (uint64_t i = 0; status == WHERRY_OK && all && i < f.hashes; i++) {
		uint8_t byte;
		const bit_place place(at.bit(f, i));
		status = get_byte(c, call, place, &byte);
		all = (byte & place.mask) != 0;
		if (status == WHERRY_ENOKEY)
			status = WHERRY_OK;
	}
	if (status == WHERRY_OK)
		c->host->write->boolean(call->reply, all);
	return status;
}

int32_t info(void *self, wherry_call *call) noexcept
{
	const auto *c = static_cast<const context *>(self);
	filter f;
	int32_t status = open(c, call, &f);
	if (status != WHERRY_OK)
		return status;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {{"items", f.items}, {"capacity", f.capacity}, {"bytes", (f.bits + 7) / 8}, {"hashes", f.hashes}};
	c->host->write->map(call->reply, sizeof rows / sizeof *rows);
	for (const auto &row : rows) {
		c->host->write->cstring(call->reply, row.name);
		c->host->write->uinteger(call->reply, row.value);
	}
	return WHERRY_OK;
}

// --- the module -------------------------------------------------------------------------------------------------------

int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why) noexcept
{
	auto *c = static_cast<context *>(host->alloc(owner, sizeof(context)));
	if (c == nullptr) {
		std::strcpy(why->text, "no memory");
		return WHERRY_ENOMEM;
	}
	*c = {host, owner};
	*self = c;
	return WHERRY_OK;
}

void unload(void *self) noexcept
{
	auto *c = static_cast<context *>(self);
	c->host->release(c->owner, c);
}

constexpr wherry_arg arg(const char *name, uint32_t kinds, uint32_t flags, const char *help)
{
	return {sizeof(wherry_arg), kinds, flags, 0, name, help};
}

using run_function = int32_t (*)(void *, wherry_call *);

template <size_t count>
constexpr wherry_command command(const char *name, const char *verb, uint32_t flags, const char *help,
    const wherry_arg (&args)[count], run_function run)
{
	return {sizeof(wherry_command), flags, name, help, verb, args, count, sizeof(wherry_arg), run};
}

constexpr wherry_arg create_args[] = {
    arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "the filter"),
    arg("capacity", WHERRY_INT, 0, "how many items it is for"),
    arg("error_rate", WHERRY_REAL, WHERRY_ARG_OPTION, "of yes by mistake once it is full; 0.01 without it"),
};
constexpr wherry_arg add_args[] = {
    arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "the filter"),
    arg("item", WHERRY_KEY_KINDS, 0, "what to remember"),
};
constexpr wherry_arg has_args[] = {
    arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ, "the filter"),
    arg("item", WHERRY_KEY_KINDS, 0, "what to look for"),
};
constexpr wherry_arg info_args[] = {arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_READ, "the filter")};

constexpr uint32_t writes = WHERRY_CMD_WRITES | WHERRY_CMD_GROWS;
constexpr wherry_command commands[] = {
    command("bloom.create", "write", writes, "Makes a filter; answers its bytes when full.", create_args, create),
    command("bloom.add", "write", writes, "Adds an item; answers whether it was new.", add_args, add),
    command("bloom.has", "read", 0, "Whether an item was added: no is certain, yes is probable.", has_args, has),
    command("bloom.info", "read", 0, "Answers {items, capacity, bytes, hashes}.", info_args, info),
};
constexpr wherry_type types[] = {{sizeof(wherry_type), 1, "bloom.filter", "a Bloom filter", nullptr, 0, 0}};
constexpr wherry_option options[] = {{sizeof(wherry_option), WHERRY_OPTION_SIZE, WHERRY_OPTION_HOT, 0, "max_bytes",
    "16MiB", "how large a filter may be made", 1024, int64_t{1} << 32}};

constexpr wherry_module describe()
{
	wherry_module m{};
	m.size = sizeof m;
	m.abi = m.abi_min = WHERRY_ABI;
	m.name = "bloom";
	m.version = "1";
	m.commands = commands;
	m.command_count = sizeof commands / sizeof *commands;
	m.command_stride = sizeof *commands;
	m.types = types;
	m.type_count = 1;
	m.type_stride = sizeof *types;
	m.options = options;
	m.option_count = 1;
	m.option_stride = sizeof *options;
	m.load = load;
	m.unload = unload;
	return m;
}

constexpr wherry_module description = describe();

} // namespace

const wherry_module *wherry_module_query(uint32_t)
{
	return &description;
}
