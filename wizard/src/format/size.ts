/** `512 MiB` or `2 GiB`, as the locale writes numbers. */
export function mebibytes(mebi: number, locale: string): string {
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 })
  return mebi >= 1024 ? `${number.format(mebi / 1024)}\u00a0GiB` : `${number.format(mebi)}\u00a0MiB`
}

export function gibibytes(gibi: number, locale: string): string {
  return `${new Intl.NumberFormat(locale).format(gibi)}\u00a0GiB`
}
