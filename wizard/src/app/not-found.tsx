import type { Metadata } from 'next'
import { pageTitle } from '../i18n/server.ts'
import { NotFound } from '../ui/NotFound.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('notFound.title')

export default function Page() {
  return <NotFound />
}
