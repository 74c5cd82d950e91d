/** What we use of mjml 5, which brings no types. */
declare module 'mjml' {
  export interface MjmlNode {
    readonly tagName: string;
    readonly attributes: Readonly<Record<string, string>>;
    readonly content?: string;
    readonly children?: readonly MjmlNode[];
  }

  export interface MjmlResult {
    readonly html: string;
    readonly json: MjmlNode;
    readonly errors: readonly { readonly message: string; readonly formattedMessage: string }[];
  }

  export interface MjmlOptions {
    readonly filePath?: string;
    readonly ignoreIncludes?: boolean;
    readonly keepComments?: boolean;
    readonly validationLevel?: 'strict' | 'soft' | 'skip';
    /** Web fonts by name; none means no third-party request. */
    readonly fonts?: Readonly<Record<string, string>>;
  }

  export default function mjml2html(source: string, options?: MjmlOptions): Promise<MjmlResult>;
}
