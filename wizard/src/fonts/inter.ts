import localFont from 'next/font/local'

/** Inter, served from our own origin (X22). Copied from @fontsource-variable/inter; SIL Open Font License 1.1. */
export const inter = localFont({
  src: './inter-latin-wght-normal.woff2',
  weight: '100 900',
  variable: '--font-inter',
  display: 'swap',
})
