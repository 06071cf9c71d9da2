// The table of keys for readers and for editors: docs/config.md's reference, and a JSON Schema.
#pragma once

#include <string>

namespace hairpin {

// A Markdown table of all keys: what stands between the markers in docs/config.md.
std::string config_reference_markdown();

// JSON Schema, draft 7: what docs/hairpin.schema.json holds. It accepts every configuration that parse_config() does
// (numbers without quotes), and refuses unknown keys, words and spellings; what validate() checks is beyond it.
std::string config_json_schema();

}  // namespace hairpin
