import { digitsOf } from './money.ts'

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
  const [ones = '0', parts = ''] = rate.split('.')
  const { whole, fraction } = digitsOf(units * BigInt(ones + parts), decimals + parts.length)
  const small = whole === '0' && /[1-9]/.test(fraction)
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    ...(small && { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }),
  }).format(`${whole}.${fraction}0` as Intl.StringNumericLiteral)
}

/** A rate as a person types it, with point or comma, as the host takes it; undefined if it is none, or zero. */
export function parseRate(text: string): string | undefined {
  const plain = text.trim().replace(',', '.')
  return /^\d{1,12}(\.\d{1,12})?$/.test(plain) && /[1-9]/.test(plain) ? plain : undefined
}

/** True for a code of ISO 4217 that this browser can write. */
export const isCurrency = (code: string): boolean => Intl.supportedValuesOf('currency').includes(code)
