import { leb, section, vector } from 'wasmtime-node/binary-module'
import { fromText } from 'wasmtime-node/wat'

export const adding = await fromText(
  '(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))',
)
export const spinning = await fromText('(module (func (export "main") (loop br 0)))')

/** Its answer is its number: no two are the same module. */
export async function distinct(n: number): Promise<Uint8Array> {
  return await fromText(`(module (func (export "main") (result i32) i32.const ${n}))`)
}

/** Touches this much memory and holds it for as long as `turns` take. */
export async function touching(bytes: number, turns: number): Promise<Uint8Array> {
  return await fromText(`(module (memory ${bytes / 65_536}) (func (export "main") (result i32) (local i32)
    (loop (i32.store8 (local.get 0) (i32.const 1)) (local.set 0 (i32.add (local.get 0) (i32.const 4096)))
      (br_if 0 (i32.lt_u (local.get 0) (i32.const ${bytes}))))
    (local.set 0 (i32.const 0))
    (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const ${turns}))))
    i32.const 7))`)
}

/** A megabyte of functions of which `main` calls the first, in a chain of ten; `seed` makes it another module. */
export function megabyte(seed: number): Buffer {
  const functions = 3800
  const code = (n: number): Buffer => {
    const turn = Buffer.from([0x20, 0, 0x41, (n + seed) & 63, 0x6a, 0x41, 3, 0x6c, 0x21, 0, 0x20, 0, 0x41, 5, 0x73, 0x21, 0])
    const call =
      n % 10 === 9 || n + 1 >= functions ? Buffer.from([0x20, 0]) : Buffer.concat([Buffer.from([0x20, 0, 0x10]), leb(n + 1)])
    return Buffer.concat([Buffer.from([0]), ...Array.from({ length: 15 }, () => turn), call, Buffer.from([0x0b])])
  }
  const bodies = Array.from({ length: functions }, (_, n) => code(n)).map((body) => Buffer.concat([leb(body.length), body]))
  return Buffer.concat([
    Buffer.from('0061736d01000000', 'hex'),
    section(1, vector([Buffer.from([0x60, 1, 0x7f, 1, 0x7f])])),
    section(3, Buffer.concat([leb(functions), Buffer.alloc(functions)])),
    section(7, vector([Buffer.from([4, ...Buffer.from('main'), 0, 0])])),
    section(10, vector(bodies)),
    section(0, Buffer.concat([Buffer.from([1, 0x78]), leb(seed)])),
  ])
}
