/** JSON with bigints, for columns that hold JSON as text: a bigint is written as `{"$bigint":"…"}`. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? { $bigint: inner.toString() } : inner))
}

/** Reads what `toJson` wrote. The caller names the type: it is our own column, written by the same file. */
export function fromJson<T>(text: string): T {
  return JSON.parse(text, (_key, inner: unknown) => {
    if (typeof inner === 'object' && inner !== null && '$bigint' in inner && typeof inner.$bigint === 'string')
      return BigInt(inner.$bigint)
    return inner
  }) as T
}

/** A time column as seconds, or null. */
export function seconds(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}

/** Seconds for a time column, or null. */
export function column(value: number | null): bigint | null {
  return value === null ? null : BigInt(value)
}
