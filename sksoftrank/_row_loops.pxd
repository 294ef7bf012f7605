# cython: language_level=3
"""Loops over rows: residuals, what is up to a limit, sums of products, their factors.

Numbers of rows of `columns`, and the `width` of sums of products, are multiples of 8.
"""

from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint

ctypedef const double* Row

cdef extern from *:
    """
    #include <math.h>
    #include <stdint.h>

    /* Targets less predictions: `columns` has those of z, then the targets. */
    SK_SIMD static void sk_residuals(
        const double *columns, ptrdiff_t n, ptrdiff_t q, const double *z, double *out
    ) {
        double sum[64];
        for (ptrdiff_t start = 0; start < n; start += 64) {
            ptrdiff_t size = n - start < 64 ? n - start : 64, k = 0;
            const double *c = columns + start, *y = c + q * n;
            for (ptrdiff_t i = 0; i < size; i++)
                sum[i] = 0.0;
            for (; k + 4 <= q; k += 4, c += 4 * n)
                for (ptrdiff_t i = 0; i < size; i++)
                    sum[i] += (z[k] * c[i] + z[k + 1] * c[n + i])
                        + (z[k + 2] * c[2 * n + i] + z[k + 3] * c[3 * n + i]);
            for (; k < q; k++, c += n)
                for (ptrdiff_t i = 0; i < size; i++)
                    sum[i] += z[k] * c[i];
            for (ptrdiff_t i = 0; i < size; i++)
                out[start + i] = y[i] - sum[i];
        }
    }

    SK_SIMD static void sk_squares(const double *v, ptrdiff_t n, double *out) {
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = v[i] * v[i];
    }

    /* How many values do not exceed the limit. */
    SK_SIMD static ptrdiff_t sk_count(const double *v, ptrdiff_t n, double limit) {
        int64_t count = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            count += v[i] <= limit ? 1 : 0;
        return (ptrdiff_t) count;
    }

    /* The weight of the values that do not exceed the limit, or that do. */
    #define SK_WEIGH(name, compares) \\
    SK_SIMD static double name( \\
        const double *v, const double *w, ptrdiff_t n, double limit \\
    ) { \\
        double mass[16] = {0}, total = 0.0; \\
        for (ptrdiff_t i = 0; i < n - n % 16; i += 16) \\
            SK_LANES \\
            for (int j = 0; j < 16; j++) \\
                mass[j] += v[i + j] compares limit ? w[i + j] : 0.0; \\
        for (ptrdiff_t i = n - n % 16; i < n; i++) \\
            mass[0] += v[i] compares limit ? w[i] : 0.0; \\
        for (int j = 0; j < 16; j++) \\
            total += mass[j]; \\
        return total; \\
    }
    SK_WEIGH(sk_weigh, <=)
    SK_WEIGH(sk_weigh_above, >)

    /* Add products of four rows of `width` numbers to the upper triangle of gram. */
    SK_SIMD static void sk_add_rows(
        double *gram, ptrdiff_t q, ptrdiff_t width, const double **row,
        const double *mass
    ) {
        const double *a = row[0], *b = row[1], *c = row[2], *d = row[3];
        for (ptrdiff_t i = 0; i < q; i++) {
            double *g = gram + i * width;
            double s = mass[0] * a[i], t = mass[1] * b[i];
            double u = mass[2] * c[i], v = mass[3] * d[i];
            for (ptrdiff_t j = i - i % 8; j < width; j += 8)
                SK_LANES
                for (int l = 0; l < 8; l++)
                    g[j + l] += (s * a[j + l] + t * b[j + l])
                        + (u * c[j + l] + v * d[j + l]);
        }
    }

    /* The Cholesky factor U, upper, of q rows of `width` numbers, of which the last
       columns are solved for; rows of a pivot that is not positive become 0. */
    SK_SIMD static void sk_factor(double *u, ptrdiff_t q, ptrdiff_t width) {
        for (ptrdiff_t k = 0; k < q; k++) {
            double *row = u + k * width, pivot = row[k];
            double scale = pivot > 0.0 ? 1.0 / sqrt(pivot) : 0.0;
            ptrdiff_t first = k - k % 8;
            for (ptrdiff_t j = first; j < width; j += 8)
                SK_LANES
                for (int l = 0; l < 8; l++)
                    row[j + l] *= scale;
            for (ptrdiff_t i = k + 1; i < q; i++) {
                double *other = u + i * width, factor = row[i];
                for (ptrdiff_t j = i - i % 8; j < width; j += 8)
                    SK_LANES
                    for (int l = 0; l < 8; l++)
                        other[j + l] -= factor * row[j + l];
            }
        }
    }

    /* Rows as columns divided by U from the left, and the sums of their squares. */
    SK_SIMD static void sk_leverage(
        const double *columns, ptrdiff_t n, ptrdiff_t q, const double *u,
        ptrdiff_t width, double *solved, double *leverage
    ) {
        for (ptrdiff_t i = 0; i < n; i++)
            leverage[i] = 0.0;
        for (ptrdiff_t k = 0; k < q; k++) {
            double *v = solved + k * n, pivot = u[k * width + k];
            double scale = pivot > 0.0 ? 1.0 / pivot : 0.0;
            for (ptrdiff_t i = 0; i < n; i++)
                v[i] = columns[k * n + i];
            for (ptrdiff_t j = 0; j < k; j++) {
                const double *w = solved + j * n;
                double factor = u[j * width + k];
                for (ptrdiff_t i = 0; i < n; i++)
                    v[i] -= factor * w[i];
            }
            for (ptrdiff_t i = 0; i < n; i++) {
                v[i] *= scale;
                leverage[i] += v[i] * v[i];
            }
        }
    }

    /* How much the exchange of a kept row for each other changes the sum of squares. */
    SK_SIMD static void sk_exchange(
        const double *kept, const double *others, ptrdiff_t q, double residual,
        double rest, const double *other_residual, const double *leverage,
        const double *cost, double smallest, double *increase
    ) {
        double cross[64] = {0};
        for (ptrdiff_t k = 0; k < q; k++)
            for (int j = 0; j < 64; j++)
                cross[j] += kept[k] * others[64 * k + j];
        for (int j = 0; j < 64; j++) {
            double ratio = cross[j] / (1.0 + leverage[j]);
            double left = residual - ratio * other_residual[j];
            double room = rest + ratio * cross[j];
            increase[j] = cost[j] - left * left / (room > smallest ? room : smallest);
        }
    }
    """
    void sk_residuals(
        const double* columns, Py_ssize_t n, Py_ssize_t q, const double* z, double* out
    ) noexcept nogil
    void sk_squares(const double* v, Py_ssize_t n, double* out) noexcept nogil
    Py_ssize_t sk_count(const double* v, Py_ssize_t n, double limit) noexcept nogil
    double sk_weigh(
        const double* v, const double* w, Py_ssize_t n, double limit
    ) noexcept nogil
    double sk_weigh_above(
        const double* v, const double* w, Py_ssize_t n, double limit
    ) noexcept nogil
    void sk_add_rows(
        double* gram, Py_ssize_t q, Py_ssize_t width, Row* row,
        const double* mass
    ) noexcept nogil
    void sk_factor(double* u, Py_ssize_t q, Py_ssize_t width) noexcept nogil
    void sk_leverage(
        const double* columns, Py_ssize_t n, Py_ssize_t q, const double* u,
        Py_ssize_t width, double* solved, double* leverage
    ) noexcept nogil
    void sk_exchange(
        const double* kept, const double* others, Py_ssize_t q, double residual,
        double rest, const double* other_residual, const double* leverage,
        const double* cost, double smallest, double* increase
    ) noexcept nogil
