from stubs import files, path_of, stub_of

for file in files():
    path_of(file).write_text(stub_of(file), encoding="utf-8")
    print(f"wrote {path_of(file)}")
