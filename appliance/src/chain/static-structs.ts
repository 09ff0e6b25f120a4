import type { ParamType } from 'ethers'

/** One struct as its 32-byte words by field name, 64 hex digits each. */
export type Words = Readonly<Record<string, string>>

const staticTypes = /^(u?int\d*|address|bool|bytes\d+)$/

/**
 * Reads an ABI-encoded array of structs that have static fields only, such as `subscriptions(ids)` answers. The general decoder
 * of ethers makes objects of objects for each field; for 10,000 subscriptions that took most of the time of a snapshot.
 * Throws RangeError unless `data` is exactly such an array. Source: Solidity ABI specification, "Formal Specification".
 */
export function readStaticStructs(data: string, array: ParamType): Words[] {
  const fields = array.arrayChildren?.components
  if (fields === undefined || fields === null || !fields.every(({ type }) => staticTypes.test(type))) {
    throw new RangeError('not an array of structs with static fields')
  }
  const word = (index: number): string => data.slice(2 + index * 64, 66 + index * 64)
  const number = (index: number): number => Number(BigInt(`0x${word(index)}`))
  const total = (data.length - 2) / 64
  if (total < 2 || number(0) !== 32) throw new RangeError('not an array')
  const count = number(1)
  if (total !== 2 + count * fields.length) throw new RangeError(`${count} structs do not fill the answer`)
  const structs: Words[] = []
  for (let i = 0; i < count; i += 1) {
    const struct: Record<string, string> = {}
    fields.forEach(({ name }, f) => {
      struct[name] = word(2 + i * fields.length + f)
    })
    structs.push(struct)
  }
  return structs
}
