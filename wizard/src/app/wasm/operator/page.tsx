import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { OperatorPage } from '../../../wasm/OperatorPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('wasm.operator.title')

export default function Page() {
  return <OperatorPage />
}
