# Package: linux-image-[0-9]*
# Why: the postinst makes the module index
for dir in /usr/lib/modules/*; do depmod -a "${dir##*/}"; done
