import { formatUnits, parseUnits } from 'ethers'

/** Coins as a person types them (`0.001`) → whole smallest units; what is no amount stays as it is, so that the host says so. */
export function amountUnits(text: string): string {
  const plain = text.trim().replace(',', '.')
  if (!/^[0-9]{1,12}(\.[0-9]{1,18})?$/.test(plain)) return text
  return parseUnits(plain, 18).toString()
}

/** Smallest units → coins; anything else stays as it is. */
export function amountText(units: string): string {
  // whole units only: half-typed amounts such as `0.` are not units yet
  if (!/^[0-9]{1,30}$/.test(units)) return units
  return formatUnits(BigInt(units), 18).replace(/\.0$/, '')
}
