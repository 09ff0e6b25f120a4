/**
 * What an amount is worth at a rate, in the locale's notation: `€3.20`, below one with two digits that count. Exact until it is
 * written: the rate is decimal text and nothing goes through a float (X21).
 * @param units whole number of the token's smallest unit
 */
export function fiatAmount(
  units: bigint,
  decimals: number,
  { rate, currency }: { rate: string; currency: string },
  locale: string,
): string {
  const [whole = '0', fraction = ''] = rate.split('.')
  const scale = decimals + fraction.length
  const digits = (units * BigInt(whole + fraction)).toString().padStart(scale + 1, '0')
  const point = digits.length - scale
  const exact = `${digits.slice(0, point)}.${digits.slice(point)}0` as Intl.StringNumericLiteral
  const small = /^0+\./.test(exact) && /[1-9]/.test(exact)
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    ...(small && { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }),
  }).format(exact)
}

/** A rate as a person types it, with point or comma, as the host takes it; undefined if it is none, or zero. */
export function parseRate(text: string): string | undefined {
  const plain = text.trim().replace(',', '.')
  return /^\d{1,12}(\.\d{1,12})?$/.test(plain) && /[1-9]/.test(plain) ? plain : undefined
}

/** True for a code of ISO 4217 that this browser can write. */
export const isCurrency = (code: string): boolean => Intl.supportedValuesOf('currency').includes(code)
