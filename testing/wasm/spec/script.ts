import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A constant of a spec test: numbers as the decimal text of their bits, `nan:canonical` and `nan:arithmetic` as patterns. */
export type SpecConst =
  | { type: 'i32' | 'i64' | 'f32' | 'f64'; value: string }
  | { type: 'v128'; lane_type: 'i8' | 'i16' | 'i32' | 'i64' | 'f32' | 'f64'; value: string[] }
  | { type: 'funcref' | 'externref'; value?: string }
  | { type: 'either'; values: SpecConst[] }

export interface SpecAction {
  type: 'invoke' | 'get'
  module?: string
  field: string
  args?: SpecConst[]
}

interface Line {
  line: number
}
interface File extends Line {
  filename: string
  binary_filename?: string
  module_type: 'text' | 'binary'
}

/** One command of a `.wast` file as `json-from-wast` writes it. */
export type SpecCommand =
  | ({ type: 'module'; name?: string } & File)
  | ({
      type: 'assert_malformed' | 'assert_invalid' | 'assert_unlinkable' | 'assert_uninstantiable'
      text: string
    } & File)
  | ({ type: 'assert_return'; action: SpecAction; expected: SpecConst[] } & Line)
  | ({ type: 'action'; action: SpecAction } & Line)
  | ({ type: 'assert_trap' | 'assert_exhaustion'; action: SpecAction; text: string } & Line)
  | ({ type: 'register'; name?: string; as: string } & Line)

/** One file of the official tests, such as `wasm-v2.i32`. */
export interface SpecScript {
  name: string
  commands: SpecCommand[]
  bytes(filename: string): Buffer
}

/** All tests in a folder that `scripts/build-wasm-material.sh` made. */
export function readScripts(folder: string): SpecScript[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return names.toSorted().map((name) => ({
    name: name.slice(0, -'.json'.length),
    commands: (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { commands: SpecCommand[] }).commands,
    bytes: (filename) => readFileSync(join(folder, filename)),
  }))
}
