import type { Rental } from '@freehold/appliance/api/schemas/operator'

/** Rows that hold every word of the text in name, id, plan or holder, in one state or (empty) in any. Pure. */
export function filterRentals(rentals: readonly Rental[], text: string, state: string): readonly Rental[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0 && state === '') return rentals
  return rentals.filter((r) => {
    if (state !== '' && r.state !== state) return false
    const hay = `${r.hostname} ${r.vmId} ${r.planName} ${r.holder}`.toLowerCase()
    return words.every((word) => hay.includes(word))
  })
}
