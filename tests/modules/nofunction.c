// Has the entry's name on what is no function.

#include <stdint.h>

__attribute__((visibility("default"))) extern const uint32_t wherry_module_query;
const uint32_t wherry_module_query = 7;
