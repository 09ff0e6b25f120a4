import { readFile } from 'node:fs/promises'
import { LineCounter, parseDocument } from 'yaml'
import { AppError, type FieldError } from '../errors/app-error.ts'
import { wasmConfigSchema, type WasmConfig } from './wasm-config.ts'

/** Parses the service's configuration. Throws `config-invalid` with one field error per mistake. Pure. */
export function parseWasmConfig(text: string, file: string): WasmConfig {
  const counter = new LineCounter()
  const doc = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  const invalid = (fields: FieldError[]) =>
    new AppError({
      code: 'config-invalid',
      detail: `${file} has ${fields.length === 1 ? 'a mistake' : `${fields.length} mistakes`}.`,
      hint: 'Correct what is named below and start freehold-wasmd again.',
      fields,
    })
  if (doc.errors.length > 0) {
    throw invalid(doc.errors.map((e) => ({ pointer: '', line: counter.linePos(e.pos[0]).line, detail: e.message })))
  }
  const result = wasmConfigSchema.safeParse(doc.toJS() ?? {})
  if (result.success) return result.data
  throw invalid(
    result.error.issues.flatMap((issue) => {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
      const detail = issue.code === 'unrecognized_keys' ? 'this field is not known' : issue.message
      return paths.map((path) => ({ pointer: path.map((part) => `/${String(part)}`).join(''), detail }))
    }),
  )
}

/** Reads and parses the configuration file. Throws `config-unreadable`, `config-invalid`. */
export async function loadWasmConfig(file: string): Promise<WasmConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError({ code: 'config-unreadable', detail: `${file} could not be read.`, cause })
  }
  return parseWasmConfig(text, file)
}
