import type { Texts } from '../i18n/text-context.tsx'
import type { MessageValues } from '../messages/catalogue.ts'

/** Failures that begin in the browser; their texts stand in the catalogue as `error.<code>.*`. */
export type PageFailureCode =
  | 'network'
  | 'unreadable'
  | 'crash'
  | 'wallet.refused'
  | 'wallet.pending'
  | 'wallet.failed'
  | 'wallet.noAccount'
  | 'wallet.gone'
  | 'funds'
  | 'reverted'
  | 'transaction'
  | 'reply'

/** A failure in the page, the wallet or the network, with the values that its text names. */
export class PageFailure extends Error {
  readonly code: PageFailureCode
  readonly values: MessageValues

  constructor(code: PageFailureCode, values: MessageValues = {}, cause?: unknown) {
    super(code, { cause })
    this.name = 'PageFailure'
    this.code = code
    this.values = values
  }
}

/** What the host answered instead (RFC 9457). Same fields as the wire's `problemSchema`. */
export interface HostProblem {
  title: string
  status: number
  detail: string
  instance: string
  code: string
  hint: string
  retryable: boolean
  requestId: string
  errors?: readonly { pointer: string; detail: string }[] | undefined
}

/** A refusal by the host; its texts are the host's. */
export class HostFailure extends Error {
  readonly problem: HostProblem

  constructor(problem: HostProblem) {
    super(`${problem.title}: ${problem.detail}`)
    this.name = 'HostFailure'
    this.problem = problem
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return (error instanceof HostFailure && error.problem.code === code) || (error instanceof PageFailure && error.code === code)
}

/** What a person sees of a failure. */
export interface ShownFailure {
  title: string
  detail: string
  /** Where it is not the page's language. */
  detailLang: 'en' | undefined
  hint: string
  code: string
  requestId: string | null
  fields: readonly { pointer: string; detail: string }[]
  /** What *Copy details* copies: all of it, technical values whole. */
  copied: string
}

/** The one place where a failure becomes text. Nothing that is not made for strangers gets through. */
export function describeFailure(error: unknown, texts: Pick<Texts, 't' | 'host' | 'hostLang' | 'locale'>): ShownFailure {
  const { t, locale } = texts
  const shown =
    error instanceof HostFailure
      ? ofHost(error.problem, texts)
      : ofPage(error instanceof PageFailure ? error : new PageFailure('crash'), t)
  const lines = [shown.title, shown.detail, shown.hint, `code: ${shown.code}`]
  if (shown.requestId !== null) lines.push(`request: ${shown.requestId}`)
  if (error instanceof HostFailure) lines.push(`at: ${error.problem.status} ${error.problem.instance}`)
  for (const field of shown.fields) lines.push(`${field.pointer}: ${field.detail}`)
  lines.push(`page: ${globalThis.location?.pathname ?? ''}, language: ${locale}`)
  return { ...shown, copied: lines.join('\n') }
}

function ofHost(problem: HostProblem, { host, hostLang }: Pick<Texts, 'host' | 'hostLang'>): Omit<ShownFailure, 'copied'> {
  const { title, detail, hint, code, requestId } = problem
  return { title: host(title), detail, detailLang: hostLang, hint: host(hint), code, requestId, fields: problem.errors ?? [] }
}

function ofPage(failure: PageFailure, t: Texts['t']): Omit<ShownFailure, 'copied'> {
  const { code, values } = failure
  return {
    title: t(`error.${code}.title`, values),
    detail: t(`error.${code}.detail`, values),
    hint: t(`error.${code}.hint`, values),
    detailLang: undefined,
    code: code.replace('.', '-').toLowerCase(),
    requestId: null,
    fields: [],
  }
}
