/** For tests: modules by bytes, where an assembler would fall over what the test is about. One function `main`, type () → (). */
export function moduleOfBody(code: Uint8Array, locals: readonly [count: number, type: number][] = []): Buffer {
  const body = Buffer.concat([
    vector(locals.map(([count, type]) => Buffer.concat([leb(count), Buffer.from([type])]))),
    code,
    Buffer.from([0x0b]),
  ])
  return Buffer.concat([
    Buffer.from('0061736d01000000', 'hex'),
    section(1, vector([Buffer.from([0x60, 0, 0])])),
    section(3, vector([leb(0)])),
    section(7, vector([Buffer.from([4, ...Buffer.from('main'), 0, 0])])),
    section(10, vector([Buffer.concat([leb(body.length), body])])),
  ])
}

export const i32 = 0x7f

/** `depth` blocks in each other. */
export function nestedBlocks(depth: number): Buffer {
  return Buffer.concat([Buffer.from(Array.from({ length: depth }, () => [0x02, 0x40]).flat()), Buffer.alloc(depth, 0x0b)])
}

/** `depth` conditions in each other: the compiler takes quadratic time for them. */
export function nestedConditions(depth: number): Buffer {
  const open = Buffer.from(Array.from({ length: depth }, () => [0x41, 1, 0x04, 0x40]).flat())
  return Buffer.concat([open, Buffer.alloc(depth, 0x0b)])
}

/** A `br_table` with this many targets, all the innermost block. */
export function wideTable(targets: number): Buffer {
  return Buffer.concat([
    Buffer.from([0x02, 0x40, 0x41, 0, 0x0e]),
    leb(targets),
    Buffer.alloc(targets + 1, 0),
    Buffer.from([0x0b]),
  ])
}

export function section(id: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([id]), leb(content.length), content])
}

export function vector(items: readonly Buffer[]): Buffer {
  return Buffer.concat([leb(items.length), ...items])
}

/** Unsigned LEB128. */
export function leb(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest >= 128 ? (rest % 128) | 128 : rest)
    if (rest < 128) return Buffer.from(bytes)
  }
}
