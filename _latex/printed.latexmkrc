# How latexmk makes the book; read after the file that Sphinx writes.
$ENV{'FORCE_SOURCE_DATE'} = 1;  # the same book twice is the same bytes
$pdf_mode = 5;
$silent = 1;
$xelatex = 'xelatex -no-pdf -interaction=batchmode -halt-on-error %O %S';
# makeindex, which Sphinx would run, takes a Greek letter for two characters; upmendex stumbles over no entries
$makeindex = 'if [ -s %S ]; then upmendex -s python.ist %O -o %D %S; else : > %D; fi';
