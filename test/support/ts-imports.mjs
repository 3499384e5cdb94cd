import { registerHooks } from 'node:module';

// Outside jest's module system (its global set-up, child processes) the `.js` of an import still means a `.ts` file.
registerHooks({
  resolve(specifier, context, next) {
    const fromSource = /^\.{1,2}\//.test(specifier) && /\.ts$/.test(context.parentURL ?? '');
    return next(fromSource ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
