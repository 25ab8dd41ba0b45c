/* Drawing without a contract: what plain compiled loops reach on a machine.
 *
 * Items alone are drawn, without log q, checks of ids, keys or a bound on the tries; excluded items
 * are drawn again until none is left. So a user who may get nothing would never end.
 */
#include <stdint.h>

typedef struct {
    int64_t num_items;
    const int64_t *indptr;     /* of the excluded items of each user, sorted */
    const int32_t *indices;
    const uint64_t *bits;      /* a bit for every pair of user and item, or NULL */
    const uint64_t *chances;   /* Walker's alias table, or NULL: high halves of entries are chances
                                  to keep, low halves what stands in */
    int excludes;
} Law;

static inline uint64_t next(uint64_t *state)
{
    uint64_t word = (*state += 0x9E3779B97F4A7C15u); /* splitmix64 of Steele et al., OOPSLA 2014 */
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

static inline int32_t one(const Law *law, uint64_t *state)
{
    uint64_t word = next(state);
    uint32_t item = (uint32_t)(((word >> 32) * (uint64_t)law->num_items) >> 32);
    if (law->chances) {
        uint64_t entry = law->chances[item];
        if ((uint32_t)word >= (uint32_t)(entry >> 32))
            item = (uint32_t)entry;
    }
    return (int32_t)item;
}

static inline int excluded(const Law *law, int64_t user, int32_t item)
{
    if (law->bits) {
        uint64_t place = (uint64_t)user * (uint64_t)law->num_items + (uint64_t)item;
        return law->bits[place >> 6] >> (place & 63) & 1;
    }
    const int32_t *first = law->indices + law->indptr[user];
    int64_t left = law->indptr[user + 1] - law->indptr[user];
    if (left == 0)
        return 0;
    while (left > 1) { /* compilers make a conditional move of it, without a branch */
        int64_t half = left >> 1;
        first = first[half - 1] < item ? first + half : first;
        left -= half;
    }
    return *first == item;
}

void draw(const Law *law, const int64_t *users, int64_t rows, int64_t count, uint64_t seed,
          int32_t *out, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int part = 0; part < threads; part++) {
        uint64_t state = seed + (uint64_t)part;
        for (int64_t row = rows * part / threads; row < rows * (part + 1) / threads; row++)
            for (int64_t slot = 0; slot < count; slot++) {
                int32_t item = one(law, &state);
                while (law->excludes && excluded(law, users[row], item))
                    item = one(law, &state);
                out[row * count + slot] = item;
            }
    }
}
