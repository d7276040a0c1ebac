// Merkle trees of RFC 6962 and the chain of seals. Pure.
#include "crypto/audit_chain.h"

enum { LEAF = 0x00, NODE = 0x01, SEAL = 0x02 };

static void start(fq_sha256 *sha, char domain) {
    fq_sha256_init(sha);
    fq_sha256_add(sha, (fq_str){&domain, 1});
}

fq_hash fq_merkle_leaf(fq_str record) {
    fq_sha256 sha;
    start(&sha, LEAF);
    fq_sha256_add(&sha, record);
    return fq_sha256_end(&sha);
}

fq_hash fq_merkle_node(const fq_hash *left, const fq_hash *right) {
    fq_sha256 sha;
    start(&sha, NODE);
    fq_sha256_add(&sha, fq_hash_str(left));
    fq_sha256_add(&sha, fq_hash_str(right));
    return fq_sha256_end(&sha);
}

static bool same_hash(const fq_hash *a, const fq_hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void fq_merkle_init(fq_merkle *tree) {
    tree->count = 0;  // a peak is read only where its bit of the count is set
}

// Like a binary counter: peaks[i] is the root of a full subtree of 2^i leaves, and a carry joins
// two.
void fq_merkle_add(fq_merkle *tree, const fq_hash *leaf) {
    fq_hash carry = *leaf;
    unsigned height = 0;
    for (; tree->count >> height & 1; height++) {
        carry = fq_merkle_node(&tree->peaks[height], &carry);
    }
    tree->peaks[height] = carry;
    tree->count++;
    FQ_ASSERT(tree->count != 0);
}

fq_hash fq_merkle_root(const fq_merkle *tree) {
    if (tree->count == 0) {
        return fq_sha256_of(FQ_STR(""));
    }
    unsigned height = (unsigned)__builtin_ctzll(tree->count);
    fq_hash root = tree->peaks[height];
    while (++height < 64) {
        if (tree->count >> height & 1) {
            root = fq_merkle_node(&tree->peaks[height], &root);
        }
    }
    return root;
}

fq_hash fq_merkle_root_of(const fq_hash *leaves, size_t count) {
    fq_merkle tree;
    fq_merkle_init(&tree);
    for (size_t i = 0; i < count; i++) {
        fq_merkle_add(&tree, &leaves[i]);
    }
    return fq_merkle_root(&tree);
}

// The largest power of two below `count`, which is 2 or more.
static size_t split(size_t count) {
    return (size_t)1 << (63 - __builtin_clzll((unsigned long long)count - 1));
}

// Walks down to the leaf, keeping the other side's root of each step; the proof goes up.
size_t fq_merkle_prove_leaf(const fq_hash *leaves, size_t count, size_t index,
                            fq_hash out[FQ_MERKLE_PROOF_MAX]) {
    FQ_ASSERT(index < count);
    size_t len = 0;
    while (count > 1) {
        const size_t left = split(count);
        if (index < left) {
            out[len++] = fq_merkle_root_of(leaves + left, count - left);
            count = left;
        } else {
            out[len++] = fq_merkle_root_of(leaves, left);
            leaves += left;
            index -= left;
            count -= left;
        }
    }
    for (size_t i = 0; i < len / 2; i++) {
        const fq_hash kept = out[i];
        out[i] = out[len - 1 - i];
        out[len - 1 - i] = kept;
    }
    return len;
}

bool fq_merkle_check_leaf(const fq_hash *leaf, uint64_t index, uint64_t count, const fq_hash *proof,
                          size_t proof_count, const fq_hash *root) {
    if (index >= count) {
        return false;
    }
    uint64_t at = index, last = count - 1;
    fq_hash hash = *leaf;
    for (size_t i = 0; i < proof_count; i++) {
        if (last == 0) {
            return false;
        }
        if ((at & 1) || at == last) {
            hash = fq_merkle_node(&proof[i], &hash);
            while (!(at & 1) && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = fq_merkle_node(&hash, &proof[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && same_hash(&hash, root);
}

bool fq_merkle_check_growth(uint64_t old_count, const fq_hash *old_root, uint64_t new_count,
                            const fq_hash *new_root, const fq_hash *proof, size_t proof_count) {
    if (old_count == 0 || old_count > new_count) {
        return false;
    }
    if (old_count == new_count) {
        return proof_count == 0 && same_hash(old_root, new_root);
    }
    // A full subtree's root is the old root itself and is not in the proof.
    const bool old_is_full = (old_count & (old_count - 1)) == 0;
    if (proof_count == 0 && !old_is_full) {
        return false;
    }
    uint64_t at = old_count - 1, last = new_count - 1;
    while (at & 1) {
        at >>= 1;
        last >>= 1;
    }
    fq_hash old_hash = old_is_full ? *old_root : proof[0], new_hash = old_hash;
    for (size_t i = old_is_full ? 0 : 1; i < proof_count; i++) {
        if (last == 0) {
            return false;
        }
        if ((at & 1) || at == last) {
            old_hash = fq_merkle_node(&proof[i], &old_hash);
            new_hash = fq_merkle_node(&proof[i], &new_hash);
            while (!(at & 1) && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = fq_merkle_node(&new_hash, &proof[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && same_hash(&old_hash, old_root) && same_hash(&new_hash, new_root);
}

fq_hash fq_batch_seal(const fq_hash *seal_before, const fq_batch_record *record) {
    fq_sha256 sha;
    start(&sha, SEAL);
    fq_sha256_add(&sha, fq_hash_str(seal_before));
    fq_sha256_add_u64(&sha, record->batch);
    fq_sha256_add_u64(&sha, record->first_position);
    fq_sha256_add_u64(&sha, record->leaf_count);
    fq_sha256_add(&sha, fq_hash_str(&record->root));
    return fq_sha256_end(&sha);
}
