import { stringify } from 'yaml'
import { leftOut, type ConfigInput } from '../../config/schema.ts'
import { secretsOfUrl } from '../../config/secrets.ts'

function withoutSecrets(text: string): string {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    url.username = leftOut
    url.password = ''
  }
  url.pathname = url.pathname
    .split('/')
    .map((word) => (/^[A-Za-z0-9_-]{16,}$/.test(word) ? leftOut : word))
    .join('/')
  for (const [name, word] of url.searchParams) if (word.length >= 16) url.searchParams.set(name, leftOut)
  return url.href
}

/**
 * The answers as the file that `freehold apply` takes: what was clicked and nothing else, secrets left out and named at the
 * top (W10). Pure.
 */
export function answerFileOf(answers: ConfigInput): { text: string; leftOut: string[] } {
  const missing: string[] = []
  const rpcUrls = answers.chain.rpcUrls.map((url, i) => {
    if (!secretsOfUrl(url)) return url
    missing.push(`/chain/rpcUrls/${i}`)
    return withoutSecrets(url)
  })
  const head = [
    '# Answers of Freehold, as they were given in the wizard. Check them with: freehold validate FILE',
    '# Set a machine up by them with: freehold apply FILE',
    ...(missing.length === 0
      ? ['# No secret was left out.']
      : [`# Left out, to be filled in where ${leftOut} stands:`, ...missing.map((pointer) => `#   ${pointer}`)]),
  ]
  return { text: `${head.join('\n')}\n${stringify({ ...answers, chain: { ...answers.chain, rpcUrls } })}`, leftOut: missing }
}
