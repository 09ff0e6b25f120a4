/** A link that is the main act of its place. */
export const linkButton =
  'forced-edge inline-flex min-h-11 items-center justify-center rounded-lg bg-brand px-4 py-2 font-medium text-on-brand hover:bg-brand-strong'
/** A link within text. */
export const textLink = 'font-medium text-brand underline underline-offset-4 hover:text-brand-strong'
/** A link beside it that is another way on. */
export const secondaryLinkButton =
  'forced-edge inline-flex min-h-11 items-center justify-center rounded-lg border border-edge bg-card px-4 py-2 font-medium text-ink hover:bg-sunk'
