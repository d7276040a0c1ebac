// Idempotency: is this the request that was made under the key before, and if not, in what does it
// differ?
//
// A fingerprint is the hash of method, path and query (4 bytes) and, for each top-level field of
// the body that was given, the number of its name in the kind's field_names (1 byte) and the hash
// of its value (4 bytes), in order of the names.
#pragma once

#include "base/json.h"
#include "crypto/digest.h"
#include "store/command.h"

// Makes the mark of a request: `root_key` is the API key, or the one that it replaces. `body` may
// be NULL. `kind` names the fields; a field that is not among them has been refused before.
fq_request_mark fq_request_mark_of(fq_arena *arena, const fq_command_kind *kind, uint64_t root_key,
                                   fq_str idempotency_key, fq_str method, fq_str target,
                                   const fq_json *body);

// Puts the beginning of a keyed hash in the place of the plain one of field `name`, where the field
// was given: for passwords and personal texts, which could be guessed from a plain hash.
void fq_request_hide(fq_arena *arena, fq_command *command, const char *name, const fq_hash *keyed);

// Does the command ask what the record says was asked?
bool fq_request_is_same(const fq_command *command, const fq_row *record);
// idempotency_key_reused, with the names of the fields that differ, as a JSON array, in
// detail.blank[0].
fq_err fq_request_differs(const fq_command *command, const fq_row *record);
