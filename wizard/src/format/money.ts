/**
 * The exact amount in the locale's notation with its symbol: `0.03 ETH`, `12,5 USDC`. Never rounded (X21).
 * @param units whole number of the smallest unit
 */
export function exactAmount(units: bigint, decimals: number, symbol: string, locale: string): string {
  const negative = units < 0n
  const { whole, fraction } = digitsOf(negative ? -units : units, decimals)
  return `${negative ? '−' : ''}${join(whole, fraction.replace(/0+$/, ''), locale)}\u00a0${symbol}`
}

/** The digits before and after the point. `units` is not negative. */
export function digitsOf(units: bigint, decimals: number): { whole: string; fraction: string } {
  const digits = units.toString().padStart(decimals + 1, '0')
  const point = digits.length - decimals
  return { whole: digits.slice(0, point), fraction: digits.slice(point) }
}

/** For network fees: three significant digits, rounded up, so that it never looks cheaper than it is. */
export function aboutAmount(units: bigint, decimals: number, symbol: string, locale: string): string {
  const spare = units.toString().length - 3
  if (spare <= 0) return exactAmount(units, decimals, symbol, locale)
  const step = 10n ** BigInt(spare)
  return exactAmount(((units + step - 1n) / step) * step, decimals, symbol, locale)
}

function join(whole: string, fraction: string, locale: string): string {
  const point = new Intl.NumberFormat(locale).formatToParts(0.5).find((p) => p.type === 'decimal')?.value ?? '.'
  const grouped = new Intl.NumberFormat(locale).format(BigInt(whole))
  return fraction === '' ? grouped : `${grouped}${point}${fraction}`
}
