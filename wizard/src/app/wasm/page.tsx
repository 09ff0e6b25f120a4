import type { Metadata } from 'next'
import { pageTitle } from '../../i18n/server.ts'
import { WasmPage } from '../../wasm/WasmPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('wasm.title')

export default function Page() {
  return <WasmPage />
}
