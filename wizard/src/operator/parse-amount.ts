import { formatUnits, parseUnits } from 'ethers'

/** An amount as a person types it, with point or comma → smallest units; undefined if it is none or has too many places. */
export function parseAmount(text: string, decimals: number): bigint | undefined {
  const plain = text.trim().replace(',', '.')
  const match = /^\d{1,20}(?:\.(\d{1,36}))?$/.exec(plain)
  if (match === null || (match[1]?.length ?? 0) > decimals) return undefined
  return parseUnits(plain, decimals)
}

/** Smallest units → text that `parseAmount` reads. */
export function plainAmount(units: bigint, decimals: number): string {
  return formatUnits(units, decimals).replace(/\.0$/, '')
}
