import type { Metadata } from 'next'
import { pageTitle } from '../../i18n/server.ts'
import { SetupPage } from '../../setup/SetupPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('setup.title')

export default function Page() {
  return <SetupPage />
}
