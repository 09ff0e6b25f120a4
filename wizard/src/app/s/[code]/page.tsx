import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { SignInPage } from '../../../sign-in/SignInPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('signIn.title')

export default async function Page({ params }: { params: Promise<{ code: string }> }) {
  return <SignInPage code={(await params).code} />
}
