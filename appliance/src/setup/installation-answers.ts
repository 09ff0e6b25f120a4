import { isMap, parseDocument } from 'yaml'
import { parseConfig } from '../config/load.ts'
import type { Config, ConfigInput } from '../config/schema.ts'

/**
 * Reads answers on an installed host. Listeners that they do not name are those of the installation (`base`), as in the wizard: its
 * front knows no others, and a host that listened where embedded mode does would call itself open and answer nobody. Answers of
 * another mode are read as they are. Throws as `parseConfig`, with the lines of the text that was given.
 */
export function parseAnswersHere(text: string, base: Partial<ConfigInput> | undefined): Config {
  const answers = parseConfig(text, 'answers')
  if (base?.mode !== 'installed' || answers.mode !== 'installed') return answers
  const document = parseDocument(text)
  for (const [name, value] of Object.entries(base.listen ?? {})) {
    if (isMap(document.contents) && !document.hasIn(['listen', name])) document.setIn(['listen', name], value)
  }
  return parseConfig(document.toString(), 'answers')
}
