import type { Page } from '@playwright/test'

/** The six facts of A1, times as the terminal shows them: hours and minutes of UTC. */
export interface SignInFacts {
  vm: string
  user: string
  source: string
  issued: string
  expires: string
  code: string
}

/** Of the prompt that `ssh` shows. Throws if one is missing. */
export function factsOfPrompt(prompt: string): SignInFacts {
  // long lines are wrapped at 80 columns
  const text = prompt.replaceAll(/\s+/g, ' ')
  return found(
    /sign-in: (?<user>\S+) on (?<vm>\S+), from (?<source>\S+) Code (?<code>\S+), issued (?<issued>\d\d:\d\d), expires (?<expires>\d\d:\d\d) UTC/,
    text,
  )
}

/** Of the sign-in page. */
export async function factsOfPage(page: Page): Promise<SignInFacts> {
  const value = async (label: string): Promise<string> => {
    const terms = await page.getByRole('term').allTextContents()
    return (await page.getByRole('definition').nth(terms.indexOf(label)).textContent()) ?? ''
  }
  const time = async (label: string) => found(/, (?<time>\d\d:\d\d) UTC/, await value(label))['time'] ?? ''
  const vm = await value('VM')
  return {
    vm: /\((.+)\)$/.exec(vm)?.[1] ?? vm,
    user: await value('User'),
    source: await value('From address'),
    issued: await time('Issued'),
    expires: await time('Expires'),
    code: await value('Code'),
  }
}

/** Of the EIP-4361 text that the wallet was given to sign. Throws if one is missing. */
export function factsOfText(text: string): SignInFacts {
  const sentence = /Sign in to VM (?<vm>\S+) as (?<user>\S+) from (?<source>\S+), code (?<code>\S+)\. This moves no money\./
  const times = /Issued At: \d{4}-\d\d-\d\dT(?<issued>\d\d:\d\d):\S+\nExpiration Time: \d{4}-\d\d-\d\dT(?<expires>\d\d:\d\d):/
  return { ...found(sentence, text), ...found(times, text) }
}

function found(pattern: RegExp, text: string): SignInFacts & Record<string, string> {
  const groups = pattern.exec(text)?.groups
  if (groups === undefined) throw new Error(`not all facts are in: ${text}`)
  return { ...groups } as SignInFacts & Record<string, string>
}
