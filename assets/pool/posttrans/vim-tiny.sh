# Package: vim-tiny
# Why: vi is an alternative
ln -sf vim.tiny /usr/bin/vi
