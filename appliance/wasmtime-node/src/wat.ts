import wabt from 'wabt'

const features = {
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  multi_value: true,
  bulk_memory: true,
  reference_types: true,
  tail_call: true,
}
const ready = wabt()

/** For tests: a module from its text. `check: false` lets invalid ones through, which is what some tests want. */
export async function fromText(text: string, more: Record<string, boolean> = {}, check = true): Promise<Uint8Array> {
  const assembler = await ready
  const all = { ...features, ...more }
  const parsed = assembler.parseWat('test.wat', text, all)
  try {
    if (check) parsed.validate()
    return parsed.toBinary({}).buffer
  } finally {
    parsed.destroy()
  }
}
