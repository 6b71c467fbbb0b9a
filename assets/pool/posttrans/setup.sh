# Package: setup
# Why: the group must be known before files can be given to it
chgrp shadow /etc/shadow /etc/gshadow
